"""`plan`: each condition as a row, and what must hold whatever the record says."""

from datetime import datetime, timedelta

import pytest
from common.contracts.sandbox import LaunchSkill, SandboxState
from common.testing.fakes import START
from hypothesis import given
from hypothesis import strategies as st
from sandbox_manager.model.directory import slot
from sandbox_manager.model.plan import Create, Install, Instant, Plan, Wait, plan
from sandbox_manager.model.record import CreateLock, Installed, PreviewAccess
from sandbox_manager.model.sandbox import Sandbox

S = SandboxState
DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


def skill(digest: str = DIGEST, directory: str = "a--b--c") -> LaunchSkill:
    return LaunchSkill(
        ref="a/b/c",
        owner="a",
        repo="b",
        commit="c" * 40,
        path="c",
        name="c",
        digest=digest,
        directory=directory,
    )


def sandbox(
    state: S = S.ACTIVE,
    *,
    digest: str | None = DIGEST,
    config_hash: str | None = "same",
    minted: timedelta | None = timedelta(0),
    beat: timedelta | None = timedelta(0),
) -> Sandbox:
    """A sandbox for which nothing is left to do, but for what is said; ages are before START."""
    installed = (
        {slot("a--b--c"): Installed(skill=skill(digest), installed_at=START)} if digest else {}
    )
    preview = (
        PreviewAccess(sealed_url="u", minted_at=START - minted) if minted is not None else None
    )
    return Sandbox(
        owner_id="own_1",
        state=state,
        skills=installed,
        config_hash=config_hash,
        previews={"9119": preview} if preview else {},
        last_heartbeat=START - beat if beat is not None else None,
    )


MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
ROWS: list[tuple[str, Sandbox, Plan]] = [
    ("all is there", sandbox(), Instant()),
    ("address just trusted", sandbox(minted=50 * MINUTE - SECOND), Instant()),
    ("address too old", sandbox(minted=50 * MINUTE), Install(False, False)),
    ("no address", sandbox(minted=None), Install(False, False)),
    ("heartbeat just recent", sandbox(beat=30 * MINUTE), Instant()),
    ("heartbeat too old", sandbox(beat=30 * MINUTE + SECOND), Install(False, False)),
    ("never a heartbeat", sandbox(beat=None), Install(False, False)),
    ("skill not there", sandbox(digest=None), Install(False, False)),
    ("another version there", sandbox(digest=OTHER), Install(False, False)),
    ("other config", sandbox(config_hash="other"), Install(True, False)),
    ("no config", sandbox(config_hash=None), Install(True, False)),
    ("stopped", sandbox(S.STOPPED), Install(False, True)),
    ("stopped, other config", sandbox(S.STOPPED, config_hash="other"), Install(True, True)),
    ("absent", sandbox(S.ABSENT), Create()),
    ("being created", sandbox(S.CREATING), Wait()),
    ("being deleted", sandbox(S.DELETING), Wait()),
]


class TestTable:
    @pytest.mark.parametrize(
        ("record", "expected"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS]
    )
    def test_each_condition(self, record: Sandbox, expected: Plan) -> None:
        assert plan(record, skill(), "same", START) == expected

    def test_a_skill_of_the_same_digest_elsewhere_is_not_installed(self) -> None:
        assert plan(sandbox(), skill(directory="x--y--c"), "same", START) == Install(False, False)


ages = st.none() | st.integers(0, 7200).map(lambda seconds: timedelta(seconds=seconds))
records = st.builds(
    sandbox,
    st.sampled_from(S),
    digest=st.sampled_from([None, DIGEST, OTHER]),
    config_hash=st.sampled_from([None, "same", "other"]),
    minted=ages,
    beat=ages,
)
moments = st.integers(0, 86_400).map(lambda seconds: START + timedelta(seconds=seconds))


class TestProperties:
    @given(records, moments)
    def test_instant_promises_every_condition(self, record: Sandbox, now: datetime) -> None:
        if plan(record, skill(), "same", now) != Instant():
            return
        installed, preview = record.installed("a--b--c"), record.preview(9119)

        assert record.state is S.ACTIVE
        assert installed is not None
        assert installed.skill.digest == DIGEST
        assert record.config_hash == "same"
        assert preview is not None
        assert now - preview.minted_at < timedelta(minutes=50)
        assert record.last_heartbeat is not None
        assert now - record.last_heartbeat <= timedelta(minutes=30)

    @given(records, moments)
    def test_it_creates_exactly_when_there_is_nothing(
        self, record: Sandbox, now: datetime
    ) -> None:
        assert (plan(record, skill(), "same", now) == Create()) == (record.state is S.ABSENT)

    @given(records, moments)
    def test_it_never_acts_on_what_another_is_making_or_deleting(
        self, record: Sandbox, now: datetime
    ) -> None:
        is_busy = record.state in {S.CREATING, S.DELETING}

        assert (plan(record, skill(), "same", now) == Wait()) == is_busy

    @given(records, moments)
    def test_an_equal_hash_never_rewrites_the_config(self, record: Sandbox, now: datetime) -> None:
        step = plan(record, skill(), "same", now)

        if isinstance(step, Install):
            assert step.write_config == (record.config_hash != "same")
            assert step.wake == (record.state is S.STOPPED)

    @given(records, moments, st.integers(0, 86_400))
    def test_what_is_not_instant_now_is_not_instant_later_by_itself(
        self, record: Sandbox, now: datetime, seconds: int
    ) -> None:
        later = now + timedelta(seconds=seconds)

        if plan(record, skill(), "same", now) != Instant():
            assert plan(record, skill(), "same", later) != Instant()

    @given(records, moments)
    def test_locks_and_holds_do_not_change_it(self, record: Sandbox, now: datetime) -> None:
        lock = CreateLock(holder="lau_1", token=1, progressed_at=START)
        locked = record.model_copy(update={"lock": lock})

        assert plan(locked, skill(), "same", now) == plan(record, skill(), "same", now)

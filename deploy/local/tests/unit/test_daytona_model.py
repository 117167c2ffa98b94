"""What states allow, what timers ask for, what lists show; on a clock that stands still."""

from datetime import UTC, datetime, timedelta

import pytest
from local_platform.daytona.control.listing import decoded, encoded, page
from local_platform.daytona.errors import BadRequestError, ConflictError, HostError
from local_platform.daytona.model import CHANGING, Due, Sandbox, SignedUrl, State, due
from local_platform.daytona.plans import mount_path, subpath
from local_platform.daytona.snapshots import require_plain
from local_platform.daytona.wire import DESIRED, list_body, sandbox_body

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def sandbox(state: State = State.STARTED, idle_min: float = 0, **given: object) -> Sandbox:
    return Sandbox.model_validate(
        {
            "id": "s1",
            "name": "one",
            "number": 1,
            "snapshot": "default",
            "cpu": 1,
            "memory": 1,
            "disk": 1,
            "token": "t",
            "signing_key": "k",
            "state": state,
            "last_activity_at": NOW - timedelta(minutes=idle_min),
        }
        | given
    )


class TestDue:
    @pytest.mark.parametrize(
        ("made", "asked"),
        [
            (sandbox(idle_min=14), None),
            (sandbox(idle_min=16), Due.STOP),
            (sandbox(idle_min=10_000, auto_stop=0), None),
            (sandbox(idle_min=31, auto_stop=30), Due.STOP),
            (sandbox(State.STOPPED, idle_min=60), None),
            (sandbox(State.STOPPED, idle_min=61, auto_archive=60), Due.ARCHIVE),
            (sandbox(State.STOPPED, idle_min=31 * 24 * 60, auto_archive=0), Due.ARCHIVE),
            (sandbox(State.STOPPED, idle_min=29 * 24 * 60, auto_archive=0), None),
            (sandbox(State.STOPPED, idle_min=61, auto_archive=60, auto_delete=60), Due.DELETE),
            (sandbox(State.ARCHIVED, idle_min=61, auto_delete=60), Due.DELETE),
            (sandbox(State.ARCHIVED, idle_min=10**6), None),
            (sandbox(State.STARTED, idle_min=61, auto_stop=0, auto_delete=60), None),
            (sandbox(destroy_at=NOW + timedelta(seconds=1)), None),
            (sandbox(destroy_at=NOW), Due.DELETE),
            (sandbox(State.STOPPED, destroy_at=NOW), Due.DELETE),
        ],
    )
    def test_what_the_timers_ask_for(self, made: Sandbox, asked: Due | None) -> None:
        assert due(made, NOW) is asked

    @pytest.mark.parametrize("state", sorted(CHANGING))
    def test_nothing_is_asked_of_a_sandbox_that_is_changing(self, state: State) -> None:
        assert due(sandbox(state, idle_min=10**6, destroy_at=NOW, auto_delete=1), NOW) is None


class TestStates:
    @pytest.mark.parametrize("state", sorted(CHANGING))
    def test_a_change_under_way_is_a_conflict_for_every_verb(self, state: State) -> None:
        made = sandbox(state)
        for require in (
            made.require_settled,
            made.require_startable,
            made.require_stoppable,
            made.require_archivable,
        ):
            with pytest.raises(ConflictError):
                require()

    @pytest.mark.parametrize("state", [state for state in State if state not in CHANGING])
    def test_each_verb_has_its_states(self, state: State) -> None:
        made = sandbox(state)

        assert passes(made.require_startable) == (state in {State.STOPPED, State.ARCHIVED})
        assert passes(made.require_stoppable) == (state == State.STARTED)
        assert passes(made.require_archivable) == (state == State.STOPPED)

    def test_an_ephemeral_sandbox_is_not_archived(self) -> None:
        assert not passes(sandbox(State.STOPPED, auto_delete=0).require_archivable)

    def test_every_state_has_a_desired_one(self) -> None:
        assert set(DESIRED) == set(State)


def passes(require: object) -> bool:
    assert callable(require)
    try:
        require()
    except HostError:
        return False
    return True


class TestWire:
    def test_what_the_sdk_requires_is_there_and_of_its_kind(self) -> None:
        body = sandbox_body(sandbox(), "http://x/toolbox")

        assert body["kvm"] is False
        assert all(type(body[name]) is int for name in ("cpu", "gpu", "memory", "disk"))
        assert None not in body.values()
        assert not {"env", "kvm", "volumes"} & list_body(sandbox(), "u").keys()


class TestPage:
    def test_pages_follow_each_other_without_gap(self) -> None:
        made = [sandbox(id=f"s{number}") for number in range(5)]

        first, cursor = page(made, None, 2)
        second, cursor = page(made, decoded(cursor), 2)
        third, last = page(made, decoded(cursor), 2)

        assert [s.id for s in first + second + third] == ["s0", "s1", "s2", "s3", "s4"]
        assert last is None

    def test_a_foreign_cursor_is_refused(self) -> None:
        with pytest.raises(BadRequestError):
            decoded("%%")

    def test_a_cursor_of_a_sandbox_that_went_ends_the_list(self) -> None:
        assert page([sandbox()], decoded(encoded("gone")), 2) == ([], None)


class TestSignedUrl:
    def test_it_expires_at_its_time(self) -> None:
        signed = SignedUrl(id="t", sandbox_id="s", port=80, expires_at=NOW)

        assert not signed.is_expired(NOW - timedelta(microseconds=1))
        assert signed.is_expired(NOW)


class TestMountPath:
    @pytest.mark.parametrize("path", ["/data", "/home/daytona/x", "/mnt/a/b", "/tmp/x"])
    def test_free_places_are_taken(self, path: str) -> None:
        assert mount_path(path) == path

    @pytest.mark.parametrize(
        "path",
        ["", "data", "/", "/usr", "/usr/local", "/etc/x", "/a/../etc", "//etc", "/home"],
    )
    def test_other_places_are_refused(self, path: str) -> None:
        with pytest.raises(BadRequestError):
            mount_path(path)

    @pytest.mark.parametrize(
        "path", ["/home/daytona", "/tmp", "/proc/x", "/dev/shm", "/run/daytona", "/opt/hermes"]
    )
    def test_the_sandboxes_own_places_are_refused(self, path: str) -> None:
        with pytest.raises(BadRequestError):
            mount_path(path)

    def test_a_subpath_stays_inside(self) -> None:
        assert subpath("a/b/") == "a/b"
        assert subpath(None) is None
        for text in ("../x", "/x", "a/../../x"):
            with pytest.raises(BadRequestError):
                subpath(text)


class TestRequirePlain:
    @pytest.mark.parametrize("text", ["FROM x", "FROM python:3.12\n", "# c\n\nfrom a AS b\n"])
    def test_a_base_image_alone_is_accepted(self, text: str) -> None:
        require_plain(text)

    @pytest.mark.parametrize("text", ["FROM x\nRUN true", "FROM x\nENV A=1", "", "RUN x"])
    def test_anything_to_build_is_refused(self, text: str) -> None:
        with pytest.raises(HostError):
            require_plain(text)

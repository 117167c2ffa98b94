"""The rights on a record: create lock, holds, and what a worker that lost them may still do."""

from datetime import timedelta

import pytest
from common.contracts.sandbox import SandboxState
from common.testing.fakes import START
from hypothesis import given
from hypothesis import strategies as st
from sandbox_manager.errors import ClaimLostError, SandboxBusyError, SandboxInUseError
from sandbox_manager.model.record import STALE_LOCK, Right, UseLease
from sandbox_manager.model.sandbox import AGENT_SLOT, Sandbox, with_relay_token

S = SandboxState
ONE, TWO = Right(holder="lau_1", token=1), Right(holder="lau_2", token=1)
SUCCESSOR = Right(holder="lau_1", token=2)
LATER = START + timedelta(seconds=30)


def absent() -> Sandbox:
    return Sandbox(owner_id="own_1")


def locked(by: Right = ONE) -> Sandbox:
    sandbox = absent().lock_for(by, create_id="c", name="n", now=START)
    assert sandbox is not None
    return sandbox


def running() -> Sandbox:
    return Sandbox(owner_id="own_1", state=S.ACTIVE, provider_id="box")


def held(sandbox: Sandbox, by: Right, slot: str = AGENT_SLOT) -> Sandbox | None:
    return sandbox.held(slot, by, now=START, until=LATER)


class TestCreateLock:
    def test_the_first_has_it_the_second_does_not(self) -> None:
        sandbox = locked()

        assert sandbox.state is S.CREATING
        assert sandbox.lock_for(TWO, create_id="d", name="m", now=START) is None

    @given(st.permutations([f"lau_{number}" for number in range(6)]))
    def test_of_any_number_in_any_order_exactly_one_has_it(self, launches: list[str]) -> None:
        sandbox, winners = absent(), []
        for launch in launches:
            right = Right(holder=launch, token=1)
            taken = sandbox.lock_for(right, create_id=launch, name=launch, now=START)
            if taken is not None:
                sandbox = taken
                winners.append(launch)

        assert winners == [launches[0]]

    def test_a_successor_inherits_it_with_the_create_id(self) -> None:
        inherited = locked().lock_for(SUCCESSOR, create_id="d", name="m", now=LATER)

        assert inherited is not None
        assert (inherited.create_id, inherited.provider_name) == ("c", "n")
        assert inherited.lock is not None
        assert (inherited.lock.token, inherited.lock.progressed_at) == (2, START)

    def test_a_worker_that_lost_it_cannot_write(self) -> None:
        inherited = locked().lock_for(SUCCESSOR, create_id="d", name="m", now=LATER)
        assert inherited is not None

        with pytest.raises(ClaimLostError):
            inherited.progressed(ONE, LATER)
        with pytest.raises(ClaimLostError):
            inherited.activated(ONE, LATER)
        with pytest.raises(ClaimLostError):
            inherited.lock_for(ONE, create_id="e", name="o", now=LATER)
        assert inherited.abandoned(ONE) is None

    def test_progress_keeps_it_fresh(self) -> None:
        lock = locked().progressed(ONE, START + STALE_LOCK).lock

        assert lock is not None
        assert not lock.is_stale(START + STALE_LOCK + timedelta(minutes=4))
        assert lock.is_stale(START + 2 * STALE_LOCK)

    def test_freed_from_a_launch_that_ended_what_it_made_is_deleted(self) -> None:
        freed = locked().freed(ONE.holder)

        assert freed is not None
        assert (freed.state, freed.lock) == (S.DELETING, None)
        assert locked().freed(TWO.holder) is None

    @pytest.mark.parametrize("state", [state for state in S if state is not S.ABSENT])
    def test_it_is_for_an_absent_sandbox_only(self, state: S) -> None:
        sandbox = Sandbox(owner_id="own_1", state=state)

        assert sandbox.lock_for(ONE, create_id="c", name="n", now=START) is None


class TestHolds:
    def test_different_skills_are_changed_side_by_side(self) -> None:
        first = held(running(), ONE, "skill:a")
        assert first is not None

        assert held(first, TWO, "skill:b") is not None
        assert held(first, TWO, "skill:a") is None

    def test_one_that_ran_out_is_anybodys(self) -> None:
        first = held(running(), ONE)
        assert first is not None

        second = first.held(AGENT_SLOT, TWO, now=LATER, until=LATER)

        assert second is not None
        with pytest.raises(ClaimLostError):
            second.under_hold(AGENT_SLOT, ONE, config_hash="late")

    def test_a_successor_inherits_and_the_first_has_lost(self) -> None:
        first = held(running(), ONE)
        assert first is not None
        second = held(first, SUCCESSOR)
        assert second is not None

        with pytest.raises(ClaimLostError):
            held(second, ONE)
        assert second.released(ONE) is None

    def test_none_while_a_sandbox_is_made_or_deleted(self) -> None:
        assert held(locked(), ONE) is None

    def test_alone_means_without_a_use_lease(self) -> None:
        used = running().granted(UseLease(id="use_1", until=LATER), START)

        assert used.held(AGENT_SLOT, ONE, now=START, until=LATER, alone=True) is None
        assert used.held(AGENT_SLOT, ONE, now=LATER, until=LATER, alone=True) is not None

    def test_no_turn_begins_while_the_agent_is_changed(self) -> None:
        changing = held(running(), ONE)
        assert changing is not None

        with pytest.raises(SandboxBusyError):
            changing.granted(UseLease(id="use_1", until=LATER), START)

    def test_nor_while_a_skill_is_held_alone(self) -> None:
        swapping = running().held("skill:a", ONE, now=START, until=LATER, alone=True)
        assert swapping is not None

        with pytest.raises(SandboxBusyError):
            swapping.granted(UseLease(id="use_1", until=LATER), START)

    def test_a_skill_put_in_beside_others_disturbs_no_turn(self) -> None:
        installing = held(running(), ONE, "skill:a")
        assert installing is not None

        assert installing.granted(UseLease(id="use_1", until=LATER), START).leases

    def test_who_has_the_whole_has_every_part(self) -> None:
        whole = running().reserved(ONE, now=START, until=LATER)

        assert held(whole, TWO, "skill:a") is None
        assert held(whole, TWO) is None
        assert whole.under_hold(AGENT_SLOT, ONE, config_hash="new").config_hash == "new"
        with pytest.raises(ClaimLostError):
            whole.under_hold(AGENT_SLOT, TWO)

    def test_renewing_is_for_the_holder(self) -> None:
        first = held(running(), ONE)
        assert first is not None

        assert first.renewed_holds(TWO, LATER + timedelta(seconds=9)) is None
        renewed = first.renewed_holds(ONE, LATER + timedelta(seconds=9))
        assert renewed is not None
        assert renewed.live_hold(AGENT_SLOT, LATER) is not None


class TestEnding:
    def test_neither_stop_nor_delete_while_a_turn_runs(self) -> None:
        used = running().granted(UseLease(id="use_1", until=LATER), START)

        with pytest.raises(SandboxInUseError):
            used.deleting(START)
        with pytest.raises(SandboxInUseError):
            used.reserved(ONE, now=START, until=LATER)
        stopped = used.reserved(ONE, now=LATER, until=LATER).stopped(ONE)
        assert stopped is not None
        assert stopped.state is S.STOPPED

    def test_stopped_is_for_the_holder_of_the_whole(self) -> None:
        whole = running().reserved(ONE, now=START, until=LATER)

        with pytest.raises(ClaimLostError):
            whole.stopped(TWO)
        with pytest.raises(ClaimLostError):
            running().stopped(ONE)

    def test_what_is_deleted_keeps_no_right_to_the_relay(self) -> None:
        sandbox = running().with_changes(relay_tokens=("hash",)).deleting(START)

        assert sandbox.relay_tokens == ()
        assert sandbox.removed().provider_id is None

    def test_only_the_last_relay_tokens_are_kept(self) -> None:
        tokens: tuple[str, ...] = ()
        for number in range(20):
            tokens = with_relay_token(tokens, str(number))

        assert tokens == tuple(str(number) for number in range(12, 20))

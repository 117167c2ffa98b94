"""The pool states: every pair of them."""

import itertools

import pytest
from common.contracts.sandbox import SandboxState as S
from sandbox_manager.errors import InvalidTransitionError
from sandbox_manager.model.pool import TRANSITIONS, is_allowed
from sandbox_manager.model.sandbox import Sandbox

ALLOWED = {
    (S.ABSENT, S.CREATING),
    (S.ABSENT, S.STOPPED),
    (S.CREATING, S.ACTIVE),
    (S.CREATING, S.DELETING),
    (S.ACTIVE, S.STOPPED),
    (S.ACTIVE, S.DELETING),
    (S.STOPPED, S.ACTIVE),
    (S.STOPPED, S.DELETING),
    (S.DELETING, S.ABSENT),
}


class TestTransitions:
    @pytest.mark.parametrize(("state", "to"), list(itertools.product(S, S)))
    def test_each_pair_is_allowed_or_refused(self, state: S, to: S) -> None:
        assert is_allowed(state, to) == ((state, to) in ALLOWED)

    def test_every_state_has_a_row_and_a_way_back_to_absent(self) -> None:
        assert set(TRANSITIONS) == set(S)
        reached = {S.ABSENT}
        while True:
            more = {state for state in S if TRANSITIONS[state] & reached}
            if more <= reached:
                break
            reached |= more

        assert reached == set(S)

    def test_a_way_that_is_not_in_the_table_is_an_error(self) -> None:
        with pytest.raises(InvalidTransitionError):
            Sandbox(owner_id="own_1", state=S.ACTIVE).removed()

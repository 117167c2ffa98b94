"""States and transitions of turns and approvals: the full cross products."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from chat_proxy.model.approval import TRANSITIONS as APPROVAL_TRANSITIONS
from chat_proxy.model.approval import Approval, granted, rules_of
from chat_proxy.model.turn import TRANSITIONS as TURN_TRANSITIONS
from chat_proxy.model.turn import Claim, Turn
from common.contracts.chat import ApprovalChoice, ApprovalState, TurnState
from common.errors import ConflictError, ErrorCode
from common.testing.fakes import START

TURN = Turn(
    id="tur_1",
    session_id="ses_1",
    owner_id="own_1",
    text="go",
    created_at=START,
    claim=Claim("prc_1", 1, START + timedelta(seconds=30)),
)
ASKED = Approval(
    id="apr_1",
    session_id="ses_1",
    turn_id="tur_1",
    owner_id="own_1",
    skill_digest="sha256:1",
    command="rm -rf x",
    rules=("recursive delete",),
    choices=tuple(ApprovalChoice),
    asked_at=START,
    expires_at=START + timedelta(minutes=4),
)
C = ApprovalChoice
VERBS: dict[ApprovalState, Callable[[Approval], Approval]] = {
    ApprovalState.DELIVERING: lambda one: one.delivering(),
    ApprovalState.DELIVERED: lambda one: one.delivered(),
    ApprovalState.REFUSED: lambda one: one.refused("no"),
    ApprovalState.EXPIRED: lambda one: one.expired("late"),
    ApprovalState.UNKNOWN: lambda one: one.unknown("lost"),
}


class TestTurn:
    @pytest.mark.parametrize("before", list(TurnState))
    @pytest.mark.parametrize("after", [TurnState.COMPLETED, TurnState.STOPPED, TurnState.FAILED])
    def test_it_ends_once(self, before: TurnState, after: TurnState) -> None:
        turn = replace(TURN, state=before)

        if after in TURN_TRANSITIONS[before]:
            ended = turn.ended(after, at=START)
            assert ended.is_ended
            assert ended.ended_at == START
        else:
            with pytest.raises(ConflictError) as refused:
                turn.ended(after, at=START)
            assert refused.value.code is ErrorCode.INVALID_TRANSITION

    def test_running_names_the_agents_conversation(self) -> None:
        running = TURN.running(agent_session="stored-1")

        assert running.state is TurnState.RUNNING
        assert running.running(agent_session="stored-2").agent_session == "stored-2"

    def test_an_ended_turn_does_not_run_again(self) -> None:
        ended = TURN.ended(TurnState.STOPPED, at=START)

        with pytest.raises(ConflictError):
            ended.running(agent_session="stored-1")

    def test_a_claim_covers_until_its_time(self) -> None:
        assert TURN.claim.covers(START + timedelta(seconds=29))
        assert not TURN.claim.covers(START + timedelta(seconds=30))


class TestApproval:
    @pytest.mark.parametrize("before", list(ApprovalState))
    @pytest.mark.parametrize("after", list(VERBS))
    def test_only_the_tables_transitions_happen(
        self, before: ApprovalState, after: ApprovalState
    ) -> None:
        approval = replace(ASKED, state=before)

        if after in APPROVAL_TRANSITIONS[before]:
            assert VERBS[after](approval).state is after
        else:
            with pytest.raises(ConflictError):
                VERBS[after](approval)

    def test_it_is_decided_once(self) -> None:
        decided = ASKED.decided(C.ONCE, at=START)

        with pytest.raises(ConflictError) as refused:
            decided.decided(C.DENY, at=START)

        assert refused.value.code is ErrorCode.APPROVAL_DECIDED
        assert decided.is_open


class TestScopes:
    def earlier(self, choice: ApprovalChoice, *rules: str) -> Approval:
        decided = replace(ASKED, id="apr_0", rules=rules).decided(choice, at=START)
        return decided.delivering().delivered()

    @pytest.mark.parametrize("choice", [C.SESSION, C.ALWAYS])
    def test_a_scope_answers_the_same_rule(self, choice: ApprovalChoice) -> None:
        assert granted(ASKED, [self.earlier(choice, "recursive delete")]) is choice

    @pytest.mark.parametrize("choice", [C.ONCE, C.DENY])
    def test_once_and_deny_answer_nothing_else(self, choice: ApprovalChoice) -> None:
        assert granted(ASKED, [self.earlier(choice, "recursive delete")]) is None

    def test_another_rule_is_asked_again(self) -> None:
        assert granted(ASKED, [self.earlier(C.SESSION, "git reset --hard")]) is None

    def test_every_rule_must_be_covered(self) -> None:
        both = replace(ASKED, rules=("recursive delete", "curl | sh"))

        assert granted(both, [self.earlier(C.SESSION, "recursive delete")]) is None
        assert granted(both, [self.earlier(C.SESSION, "recursive delete", "curl | sh")])

    def test_an_answer_that_did_not_arrive_grants_nothing(self) -> None:
        lost = replace(ASKED, id="apr_0").decided(C.SESSION, at=START).delivering().unknown("")

        assert granted(ASKED, [lost]) is None

    def test_a_scope_the_agent_does_not_offer_now_is_not_used(self) -> None:
        once_only = replace(ASKED, choices=(C.ONCE, C.DENY))

        assert granted(once_only, [self.earlier(C.SESSION, "recursive delete")]) is None

    def test_without_the_agents_rules_a_scope_covers_the_command(self) -> None:
        assert rules_of((), "rm -rf x") == ("command: rm -rf x",)

    def test_a_rule_for_any_script_covers_only_this_one(self) -> None:
        assert rules_of(("execute_code",), "print(1)") == ("command: print(1)",)

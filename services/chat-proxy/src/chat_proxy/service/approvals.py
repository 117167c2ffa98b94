"""Use case: a person answers an approval. The first answer wins."""

from common.contracts.chat import AnswerApproval, ApprovalChoice, ApprovalState
from common.contracts.chat import Approval as WireApproval
from common.errors import (
    ConflictError,
    ErrorCode,
    GoneError,
    InvalidError,
    StaleFenceError,
    UnavailableError,
)
from common.ids import new_id

from chat_proxy.model.approval import Approval
from chat_proxy.service.outside import Outside
from chat_proxy.service.runners import Runners
from chat_proxy.service.wire import to_approval


class ApprovalService:
    def __init__(self, outside: Outside, runners: Runners) -> None:
        self._outside = outside
        self._runners = runners

    async def answer(self, request: AnswerApproval) -> WireApproval:
        """Decide, and have it delivered by whoever runs the turn; if nobody does at this moment,
        its successor delivers it.

        Raises:
            ConflictError: `approval_decided`, with the first answer.
            GoneError: `approval_expired`.
        """
        approval = await self._load(request)
        self._check(approval, request.choice)
        decided = approval.decided(
            request.choice, at=self._outside.clock(), decision=new_id("dec")
        )
        try:
            await self._outside.approvals.save(decided, expected=approval)
        except StaleFenceError:
            self._check(await self._load(request), request.choice)
            raise
        if self._runners.runs(decided.turn_id):
            return await self.answer_here(request)
        return await self._deliver_elsewhere(decided, request)

    async def answer_here(self, request: AnswerApproval) -> WireApproval:
        """The part of `answer` for the process that runs the turn."""
        approval = await self._load(request)
        runner = self._runners.of(request.session_id)
        if runner is not None and runner.turn.id == approval.turn_id:
            approval = await runner.approval_decided(approval)
        return to_approval(approval)

    async def _deliver_elsewhere(self, decided: Approval, request: AnswerApproval) -> WireApproval:
        turn = await self._outside.turns.get(decided.owner_id, decided.session_id, decided.turn_id)
        try:
            return await self._outside.replicas.answer(turn.claim.holder, request)
        except UnavailableError:
            return to_approval(decided)

    async def _load(self, request: AnswerApproval) -> Approval:
        return await self._outside.approvals.get(
            request.owner_id, request.session_id, request.approval_id
        )

    def _check(self, approval: Approval, choice: ApprovalChoice) -> None:
        overdue = approval.is_open and self._outside.clock() >= approval.expires_at
        if approval.state is ApprovalState.EXPIRED or (overdue and not approval.is_decided):
            detail = "this approval has expired"
            raise GoneError(detail, code=ErrorCode.APPROVAL_EXPIRED)
        if approval.is_decided or not approval.is_open:
            detail = "this approval was answered before"
            raise ConflictError(
                detail,
                code=ErrorCode.APPROVAL_DECIDED,
                extra={"approval": to_approval(approval).model_dump(mode="json")},
            )
        if choice not in approval.choices:
            offered = ", ".join(approval.choices)
            raise InvalidError(f"the agent offers only: {offered}")

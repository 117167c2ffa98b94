"""The other processes of this service, over RPCs addressed to one of them."""

from datetime import timedelta

from common.contracts.chat import (
    ANSWER_APPROVAL,
    ATTACH,
    STOP_TURN,
    AnswerApproval,
    Approval,
    Attach,
    Attached,
    Turn,
    TurnRequest,
)
from common.messaging.rpc import RpcClient

from chat_proxy.ports import Replicas

_PATIENCE = timedelta(seconds=3)


class RpcReplicas(Replicas):
    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def stop(self, holder: str, request: TurnRequest) -> Turn:
        return await self._rpc.call(STOP_TURN, request, within=_PATIENCE, target=holder)

    async def answer(self, holder: str, request: AnswerApproval) -> Approval:
        return await self._rpc.call(ANSWER_APPROVAL, request, within=_PATIENCE, target=holder)

    async def attach(self, holder: str, request: Attach) -> Attached:
        return await self._rpc.call(ATTACH, request, within=_PATIENCE, target=holder)

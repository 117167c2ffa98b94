"""sandbox-manager over RPC: launches, the agent's address, use-leases."""

from datetime import timedelta

from common.contracts.sandbox import (
    ACQUIRE_AGENT,
    GET_LAUNCH,
    GET_RECEIPT,
    RELEASE_USE,
    RENEW_USE,
    AcquireAgent,
    AgentEndpoint,
    GetLaunch,
    Launch,
    Receipt,
    ReleaseUse,
    RenewUse,
)
from common.messaging.rpc import RpcClient

from chat_proxy.model.agent import AgentAddress
from chat_proxy.model.session import ChatSession
from chat_proxy.model.turn import Turn
from chat_proxy.ports import Sandboxes

_WAKE_TIMEOUT = timedelta(seconds=90)
"""Acquiring may have to start a stopped sandbox."""

_WAKE_PATIENCE = _WAKE_TIMEOUT + timedelta(seconds=30)
"""Longer than one answer is waited for: who was asked may have been killed meanwhile."""

_PATIENCE = timedelta(seconds=60)
"""A turn outlives a restart of sandbox-manager and the loss of a node of the bus."""


class RpcSandboxes(Sandboxes):
    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def launch(self, owner_id: str, launch_id: str) -> Launch:
        return await self._rpc.call(GET_LAUNCH, GetLaunch(owner_id=owner_id, launch_id=launch_id))

    async def receipt(self, owner_id: str, launch_id: str) -> Receipt:
        request = GetLaunch(owner_id=owner_id, launch_id=launch_id)
        return await self._rpc.call(GET_RECEIPT, request)

    async def acquire(
        self, turn: Turn, session: ChatSession, *, verify: bool, goes_on: bool = False
    ) -> AgentAddress:
        request = AcquireAgent(
            owner_id=session.owner_id,
            session_id=session.id,
            turn_id=turn.id,
            skill_directory=session.skill.directory,
            digest=session.skill.digest,
            verify=verify,
            goes_on=goes_on,
        )
        endpoint = await self._rpc.call(
            ACQUIRE_AGENT, request, within=_WAKE_TIMEOUT, patience=_WAKE_PATIENCE
        )
        return _address(endpoint)

    async def renew(self, owner_id: str, use_lease_id: str) -> None:
        request = RenewUse(owner_id=owner_id, use_lease_id=use_lease_id)
        await self._rpc.call(RENEW_USE, request, patience=_PATIENCE)

    async def release(self, owner_id: str, use_lease_id: str) -> None:
        await self._rpc.call(RELEASE_USE, ReleaseUse(owner_id=owner_id, use_lease_id=use_lease_id))


def _address(endpoint: AgentEndpoint) -> AgentAddress:
    return AgentAddress(
        use_lease_id=endpoint.use_lease_id,
        sandbox_id=endpoint.sandbox_id,
        url=endpoint.url.get_secret_value(),
        token=endpoint.token.get_secret_value(),
        workspace=endpoint.workspace,
        skill_directory=endpoint.skill_directory,
        notices=tuple(endpoint.notices),
        headers={name: value.get_secret_value() for name, value in endpoint.headers.items()},
        secrets={name: value.get_secret_value() for name, value in endpoint.secrets.items()},
    )

"""RPC subjects of the relay -> key checks, lists of models."""

from common.contracts.relay import (
    CHECK_KEY,
    LIST_MODELS,
    CheckedKey,
    CheckKey,
    ListModels,
    ModelList,
)
from common.messaging.rpc import RpcServer

from chat_proxy.relay.checks import KeyChecks
from chat_proxy.relay.listing import ModelLists


async def serve_checks(server: RpcServer, checks: KeyChecks, lists: ModelLists) -> None:
    async def check_key(request: CheckKey) -> CheckedKey:
        return await checks.check(request.owner_id, request.name)

    async def list_models(request: ListModels) -> ModelList:
        return await lists.of(request.owner_id, request.provider, request.base_url)

    await server.serve(CHECK_KEY, check_key)
    await server.serve(LIST_MODELS, list_models)

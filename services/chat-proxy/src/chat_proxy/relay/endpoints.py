"""RPC subjects of the relay -> key checks."""

from common.contracts.relay import CHECK_KEY, CheckedKey, CheckKey
from common.messaging.rpc import RpcServer

from chat_proxy.relay.checks import KeyChecks


async def serve_checks(server: RpcServer, checks: KeyChecks) -> None:
    async def check_key(request: CheckKey) -> CheckedKey:
        return await checks.check(request.owner_id, request.name)

    await server.serve(CHECK_KEY, check_key)

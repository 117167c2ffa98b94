"""Stand-ins for keys, sandbox-manager and skill-resolver, as a program that can be killed:

    python -m chaos.neighbours <nats url> <port of the agent>

They keep no state, so whoever comes next answers as well.
"""

import asyncio
import base64
import sys
import tempfile
from datetime import timedelta

from common.clock import utc_now
from common.contracts import keys, sandbox, skills
from common.contracts.base import Empty
from common.errors import ErrorCode, NotFoundError
from common.ids import new_id
from common.messaging.connection import connect
from common.messaging.rpc import RpcServer
from common.messaging.streams import ensure_streams
from pydantic import SecretStr

from chaos.agent import TOKEN

OWNER = "own_" + "c" * 20
READY = "ready"
_SKILL = sandbox.LaunchSkill(
    ref="acme/tools/count-words",
    owner="acme",
    repo="tools",
    commit="c" * 40,
    path="skills/count-words",
    name="count-words",
    digest="sha256:" + "1" * 64,
    directory="acme--tools--count-words",
)
_TEXT = b"---\nname: count-words\n---\nCount them."
_LEASE = timedelta(minutes=2)


class Neighbours:
    def __init__(self, agent_port: int) -> None:
        self._agent_port = agent_port

    async def resolve_owner(self, _: keys.ResolveOwner) -> keys.Owner:
        return keys.Owner(owner_id=OWNER, created_at=utc_now())

    async def get_settings(self, _: keys.GetSettings) -> keys.OwnerSettings:
        return keys.OwnerSettings(provider="demo", model="demo")

    async def reveal(self, _: keys.Reveal) -> keys.Revealed:
        message = "the demo model has no key"
        raise NotFoundError(message, code=ErrorCode.SECRET_NOT_FOUND)

    async def authorize(self, _: sandbox.AuthorizeRelay) -> sandbox.RelayGrant:
        return sandbox.RelayGrant(owner_id=OWNER, sandbox_id="sandbox-1", in_use=1)

    async def get_launch(self, request: sandbox.GetLaunch) -> sandbox.Launch:
        return sandbox.Launch(
            id=request.launch_id,
            ref=_SKILL.ref,
            path=sandbox.LaunchPath.INSTANT,
            state=sandbox.LaunchState.READY,
            phases=[],
            skill=_SKILL,
            created_at=utc_now(),
        )

    async def acquire(self, request: sandbox.AcquireAgent) -> sandbox.AgentEndpoint:
        return sandbox.AgentEndpoint(
            use_lease_id=new_id("use"),
            expires_at=utc_now() + _LEASE,
            sandbox_id="sandbox-1",
            url=SecretStr(f"http://9119-agent.localhost:{self._agent_port}"),
            headers={"Host": SecretStr(f"127.0.0.1:{self._agent_port}")},
            token=SecretStr(TOKEN),
            workspace=tempfile.gettempdir(),
            skill_directory=f"/skills/{request.skill_directory}",
            provider="demo",
            model="demo",
        )

    async def renew(self, request: sandbox.RenewUse) -> sandbox.UseLease:
        return sandbox.UseLease(use_lease_id=request.use_lease_id, expires_at=utc_now() + _LEASE)

    async def release(self, _: sandbox.ReleaseUse) -> Empty:
        return Empty()

    async def read_file(self, request: skills.ReadSkillFile) -> skills.SkillFileContent:
        content = base64.b64encode(_TEXT).decode()
        return skills.SkillFileContent(
            path=request.path, size=len(_TEXT), mode=0o644, content_base64=content
        )


async def serve(nats_url: str, agent_port: int) -> None:
    own = Neighbours(agent_port)
    connection = await connect(nats_url, "neighbours")
    await ensure_streams(connection.jetstream())
    async with (
        RpcServer(connection, service="keys") as holders,
        RpcServer(connection, service="sandbox-manager") as sandboxes,
        RpcServer(connection, service="skill-resolver") as resolver,
    ):
        await holders.serve(keys.RESOLVE_OWNER, own.resolve_owner)
        await holders.serve(keys.GET_SETTINGS, own.get_settings)
        await holders.serve(keys.REVEAL, own.reveal)
        await sandboxes.serve(sandbox.AUTHORIZE_RELAY, own.authorize)
        await sandboxes.serve(sandbox.GET_LAUNCH, own.get_launch)
        await sandboxes.serve(sandbox.ACQUIRE_AGENT, own.acquire)
        await sandboxes.serve(sandbox.RENEW_USE, own.renew)
        await sandboxes.serve(sandbox.RELEASE_USE, own.release)
        await resolver.serve(skills.READ_SKILL_FILE, own.read_file)
        await connection.flush()
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))

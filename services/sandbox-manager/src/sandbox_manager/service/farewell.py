"""What an agent wrote before it failed to start: for its owner, without what must not be seen."""

from common.errors import AppError

from sandbox_manager.model.config import OWN_FILES
from sandbox_manager.model.launch import Launch
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.service.preparing import Preparation

LAST_LINES = 15
_MOST_CHARACTERS = 2000
_HIDDEN = "[hidden]"


async def last_words(preparation: Preparation, sandbox: Sandbox, launch: Launch) -> str:
    """The end of the agent's log; empty when it cannot be read, or says nothing."""
    if sandbox.provider_id is None:
        return ""
    command = f"tail -n {LAST_LINES} {OWN_FILES}/agent.log 2>/dev/null || true"
    try:
        written = await preparation.inside.output(sandbox.provider_id, command)
        hidden = await _hidden(preparation, sandbox, launch)
    except AppError:
        return ""
    # Hidden first: what is cut in two is not found.
    for value in sorted(hidden, key=len, reverse=True):
        written = written.replace(value, _HIDDEN)
    text = "".join(c for c in written if c.isprintable() or c == "\n").strip()
    return text[-_MOST_CHARACTERS:]


async def _hidden(preparation: Preparation, sandbox: Sandbox, launch: Launch) -> list[str]:
    configs = preparation.configs
    wanted = configs.wanted_for(await configs.facts(sandbox.owner_id), sandbox, launch)
    values = await configs.secret_values(sandbox.owner_id, wanted)
    found = [*values.values()]
    if sandbox.sealed_agent_token is not None:
        found.append(preparation.agent_token(sandbox))
    return [line for value in found for line in {value, *value.splitlines()} if line.strip()]

"""What is done inside a sandbox, as uploads and commands."""

import hashlib
import inspect
import json
import secrets
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import ModuleType
from typing import Any, Protocol

from common import digest
from common.clock import Clock, utc_now
from common.contracts.sandbox import LaunchSkill

from sandbox_manager.adapters.inside import script
from sandbox_manager.errors import InstallFailedError, ProviderUnavailableError
from sandbox_manager.model.config import HERMES_HOME, HOME, OWN_FILES, WORK_ROOT
from sandbox_manager.model.directory import SKILLS_ROOT, skill_directory
from sandbox_manager.ports.inside import Found, Inside, Look

_END = "TRYSKILLS_END"
_SET_UP_S = 600
_PLACES = {"own": OWN_FILES, "root": SKILLS_ROOT, "config": f"{HERMES_HOME}/config.yaml"}
_DIRECTORIES = (SKILLS_ROOT, WORK_ROOT, HERMES_HOME)

START = """\
umask 077
cd {home} || exit 1
own={own}
name=$1
shift
stat() {{ cut -d' ' -f"$2" "/proc/$1/stat" 2>/dev/null; }}
old=$(cat "$own/$name.pid" 2>/dev/null || echo none)
begun=$(cat "$own/$name.since" 2>/dev/null || echo never)
alive() {{ [ "$(stat "$old" 22)" = "$begun" ] && [ "$(stat "$old" 3)" != Z ]; }}
if alive; then
    kill "$old"
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
        alive || break
        sleep 0.2
    done
    alive && kill -9 "$old"
fi
stat $$ 22 > "$own/$name.since"
echo $$ > "$own/$name.pid"
PATH="$own/venv/bin:$PATH"
set -a
. "$own/$name.env"
set +a
exec "$@" > "$own/$name.log" 2>&1 < /dev/null
"""
"""Ends the last process of a name and becomes the next; `exec` keeps the process id.

Process ids begin anew when a sandbox starts again, so a process is known by when it began, too.
"""


class Shell(Protocol):
    """What this needs of the provider's toolbox."""

    async def upload(self, sandbox_id: str, files: Mapping[str, bytes]) -> None: ...

    async def download(self, sandbox_id: str, path: str) -> bytes: ...

    async def run(
        self, sandbox_id: str, command: str, *, timeout_s: int = 60
    ) -> tuple[int, str]: ...

    async def open_session(self, sandbox_id: str) -> str: ...

    async def run_in_session(self, sandbox_id: str, session: str, command: str) -> None: ...

    async def close_session(self, sandbox_id: str, session: str) -> None: ...


class InsideCommands(Inside):
    def __init__(self, shell: Shell, clock: Clock = utc_now) -> None:
        self._shell = shell
        self._clock = clock

    async def configure(self, sandbox_id: str, files: Mapping[str, str]) -> None:
        stage = f"{OWN_FILES}/stage-{secrets.token_hex(6)}"
        start = START.format(home=HOME, own=OWN_FILES)
        texts = {**files, f"{OWN_FILES}/start": start}
        contents = {target: text.encode() for target, text in texts.items()}
        staged = {target: f"{stage}-{number}" for number, target in enumerate(contents)}
        await self._shell.upload(
            sandbox_id, {staged[target]: content for target, content in contents.items()}
        )
        expected = [
            [staged[target], target, hashlib.sha256(content).hexdigest()]
            for target, content in contents.items()
        ]
        answer = await self._ask(
            sandbox_id, "configure", files=expected, directories=list(_DIRECTORIES)
        )
        if "damaged" in answer:
            raise ProviderUnavailableError(f"{answer['damaged']} did not arrive as it was sent")

    async def open_process(self, sandbox_id: str) -> str:
        return await self._shell.open_session(sandbox_id)

    async def start_process(
        self, sandbox_id: str, process: str, name: str, command: Sequence[str]
    ) -> None:
        line = shlex.join(["sh", f"{OWN_FILES}/start", name, *command])
        await self._shell.run_in_session(sandbox_id, process, line)

    async def end_process(self, sandbox_id: str, process: str) -> None:
        await self._shell.close_session(sandbox_id, process)

    async def install(self, sandbox_id: str, skill: LaunchSkill, bundle: bytes) -> str | None:
        staged = f"{OWN_FILES}/stage-{secrets.token_hex(6)}.tar"
        await self._shell.upload(sandbox_id, {staged: bundle})
        entry = {**skill.model_dump(mode="json"), "installed_at": self._clock().isoformat()}
        answer = await self._ask(
            sandbox_id,
            "install",
            bundle=staged,
            directory=skill.directory,
            digest=skill.digest,
            entry=entry,
            revision=secrets.token_hex(4),
        )
        found = answer.get("digest")
        return found if isinstance(found, str) else None

    async def remove(self, sandbox_id: str, directory: str) -> None:
        await self._ask(sandbox_id, "remove", directory=directory, revision=secrets.token_hex(4))

    async def look(self, sandbox_id: str, *, directory: str | None, workspace: str | None) -> Look:
        answer = await self._ask(sandbox_id, "look", directory=directory, workspace=workspace)
        return Look(answer.get("digest"), bool(answer.get("is_agent_alive")), answer.get("agent"))

    async def manifest(self, sandbox_id: str) -> Sequence[Found]:
        answer = await self._ask(sandbox_id, "manifest")
        found = [_found(**entry) for entry in answer["entries"]]
        return [one for one in found if one is not None]

    async def output(self, sandbox_id: str, command: str) -> str:
        _, output = await self._shell.run(sandbox_id, command)
        return output

    async def set_up(self, sandbox_id: str, hermes: str) -> None:
        own = shlex.quote(OWN_FILES)
        command = (
            f"mkdir -p {own} && python3 -m venv {own}/venv"
            f" && {own}/venv/bin/pip install --quiet {shlex.quote(hermes)} aiohttp"
        )
        status, output = await self._shell.run(sandbox_id, command, timeout_s=_SET_UP_S)
        if status != 0:
            raise InstallFailedError(f"Hermes could not be installed: {output[-300:]}")

    async def _ask(self, sandbox_id: str, command: str, **args: Any) -> dict[str, Any]:
        status, output = await self._shell.run(sandbox_id, program(command, {**_PLACES, **args}))
        answer = answer_in(output)
        if answer is None or "error" in answer:
            reason = answer["error"] if answer else f"exit status {status}: {output[-300:]}"
            raise InstallFailedError(f"a step inside the sandbox failed ({command}): {reason}")
        return answer


def program(command: str, args: Mapping[str, Any], module: ModuleType = script) -> str:
    """A shell command that runs a script with its arguments; nothing in it is for the shell."""
    own_import = "from common.digest import EXECUTABLE, PLAIN, skill_digest\n"
    source = inspect.getsource(module).replace(own_import, "")
    call = f"main({command!r}, json.loads({json.dumps(args)!r}))"
    return f"python3 -I - <<'{_END}'\n{inspect.getsource(digest)}\n{source}\n{call}\n{_END}\n"


def _found(directory: str, entry: Any, digest: str | None) -> Found | None:
    """None for an entry that is not one, or not about what lies there."""
    try:
        skill = LaunchSkill.model_validate(entry)
        installed_at = datetime.fromisoformat(entry["installed_at"])
    except (ValueError, KeyError, TypeError):
        return None
    own = skill_directory(skill.owner, skill.repo, skill.path)
    is_true = skill.directory == own == directory and skill.digest == digest
    return Found(skill, installed_at) if is_true and installed_at.tzinfo else None


def answer_in(output: str) -> dict[str, Any] | None:
    for line in reversed(output.splitlines()):
        if line.startswith(script.ANSWER):
            found: dict[str, Any] = json.loads(line.removeprefix(script.ANSWER))
            return found
    return None

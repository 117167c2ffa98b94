"""Single commands and pieces of code, run to their end."""

import asyncio
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from .environment import Environment
from .errors import ToolboxError, bad_request
from .requests import Body, body_of, optional_text, seconds, strings, text, variables

SHELL = shutil.which("bash") or "/bin/sh"
RUNTIMES = {
    "python": ("python3", ".py"),
    "javascript": ("node", ".js"),
    "typescript": ("ts-node", ".ts"),
}


async def run(
    argv: list[str], given: bytes, cwd: str | None, env: dict[str, str], timeout_s: float | None
) -> tuple[int, str]:
    """Run in a process group of its own; on timeout the whole group is killed."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=env,
        start_new_session=True,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate(given)
    except TimeoutError as error:
        raise ToolboxError(
            408, "PROCESS_EXECUTION_TIMEOUT", "command execution timeout"
        ) from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    code = process.returncode
    return (-1 if code is None or code < 0 else code), output.decode(errors="replace")


def folder(body: Body) -> str | None:
    cwd = optional_text(body, "cwd")
    if cwd is not None and not Path(cwd).is_dir():
        raise bad_request(f"chdir {cwd}: no such directory")
    return cwd


class Commands:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    async def execute(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        command = text(body, "command").encode() + b"\n"
        env = self._environment.for_command(variables(body, "envs"))
        code, output = await run([SHELL], command, folder(body), env, seconds(body, "timeout"))
        return web.json_response({"exitCode": code, "result": output})

    async def code_run(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        code, language = text(body, "code"), optional_text(body, "language") or "python"
        env = self._environment.for_command(variables(body, "envs"))
        program, suffix = runtime(language)
        with tempfile.TemporaryDirectory(prefix="code-") as scratch:
            script = Path(scratch) / f"code{suffix}"
            script.write_text(code)
            exit_code, output = await run(
                [program, str(script), *strings(body, "argv")],
                b"",
                None,
                env,
                seconds(body, "timeout"),
            )
        answer: dict[str, Any] = {"exitCode": exit_code, "result": output}
        return web.json_response(answer | {"artifacts": {"charts": []}})


def runtime(language: str) -> tuple[str, str]:
    if language not in RUNTIMES:
        raise bad_request(f"{language!r} is not python, javascript or typescript")
    name, suffix = RUNTIMES[language]
    program = shutil.which(name)
    if program is None:
        raise ToolboxError(
            501, "NOT_IMPLEMENTED", f"this sandbox has no {language} runtime ({name})"
        )
    return program, suffix

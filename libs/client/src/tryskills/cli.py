"""The `tryskills` command."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from tryskills.client import Client
from tryskills.conversation import CHOICES
from tryskills.errors import ApiError, UnreachableError
from tryskills.settings import read_settings
from tryskills.terminal import Terminal
from tryskills.trying import Trial, Wish

INTERRUPTED = 130
Command = Callable[[Client, Terminal, argparse.Namespace], Awaitable[int]]


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    terminal = Terminal()
    try:
        return asyncio.run(_run(asked, terminal))
    except (ApiError, UnreachableError) as error:
        terminal.line(f"error: {error}")
        for candidate in candidates(error):
            terminal.line(f"  did you mean {candidate}?")
        return 1
    except KeyboardInterrupt:
        terminal.line("interrupted")
        return INTERRUPTED


def candidates(error: ApiError | UnreachableError) -> list[str]:
    """What the platform has instead, where it says so."""
    told = error.problem.get("candidates") if isinstance(error, ApiError) else None
    listed = told if isinstance(told, list) else []
    return [str(one.get("ref", "") if isinstance(one, dict) else one) for one in listed]


def _parser() -> argparse.ArgumentParser:
    settings = read_settings()
    parser = argparse.ArgumentParser(prog="tryskills", description="Try any AI agent skill.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--url", default=settings.url, help="the platform [TRYSKILLS_URL]")
    common.add_argument("--token", default=settings.token, help="a token [TRYSKILLS_TOKEN]")
    commands = parser.add_subparsers(dest="command", required=True)

    trying = commands.add_parser("try", parents=[common], help="launch a skill and say something")
    trying.add_argument("ref", help="a skills.sh or GitHub link, owner/repo/skill, or a directory")
    trying.add_argument("--prompt", required=True, help="what to say to the agent")
    trying.add_argument("--approve", choices=CHOICES, help="answer every approval with this")
    trying.add_argument("--accept-report", action="store_true", help="accept the safety report")
    trying.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a variable of the skill"
    )
    skills = commands.add_parser("skills", parents=[common], help="the skills of a repository")
    skills.add_argument("repository", help="owner/repo")
    commands.add_parser("sessions", parents=[common], help="your conversations")
    commands.add_parser("trials", parents=[common], help="your last launches")
    sandbox = commands.add_parser("sandbox", parents=[common], help="your sandbox")
    sandbox.add_argument("action", nargs="?", choices=("stop", "delete"))
    return parser


async def _run(asked: argparse.Namespace, terminal: Terminal) -> int:
    commands: dict[str, Command] = {
        "try": _try,
        "skills": _skills,
        "sessions": _sessions,
        "trials": _trials,
        "sandbox": _sandbox,
    }
    async with Client(asked.url, asked.token) as client:
        return await commands[asked.command](client, terminal, asked)


async def _try(client: Client, terminal: Terminal, asked: argparse.Namespace) -> int:
    variables = dict(_variables(asked.set))
    wish = Wish(asked.ref, asked.prompt, asked.approve, asked.accept_report, variables)
    return await Trial(client, terminal, wish).run()


def _variables(given: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            # Without the text: it may be a value.
            sys.exit("--set takes NAME=VALUE")
        yield name, value


async def _skills(client: Client, terminal: Terminal, asked: argparse.Namespace) -> int:
    owner, _, repo = asked.repository.partition("/")
    for skill in (await client.skills(owner, repo)).get("skills", []):
        terminal.line(f"{skill.get('ref', '')}: {skill.get('description', '')}")
    return 0


async def _sessions(client: Client, terminal: Terminal, _: argparse.Namespace) -> int:
    for session in (await client.sessions()).get("sessions", []):
        terminal.line(f"{session['id']}  {_when(session)}  {session.get('title', '')}")
    return 0


async def _trials(client: Client, terminal: Terminal, _: argparse.Namespace) -> int:
    for trial in (await client.trials()).get("trials", []):
        name = (trial.get("skill") or {}).get("name", "")
        told = f"{trial.get('path') or '-':8} {trial.get('state', ''):9} {name}"
        terminal.line(f"{_when(trial)}  {told}")
    return 0


async def _sandbox(client: Client, terminal: Terminal, asked: argparse.Namespace) -> int:
    calls = {None: client.sandbox, "stop": client.stop_sandbox, "delete": client.delete_sandbox}
    sandbox = await calls[asked.action]() or {}
    terminal.field("State", str(sandbox.get("state", "deleted")))
    for installed in sandbox.get("skills") or []:
        terminal.field("Skill", str((installed.get("skill") or {}).get("name", "")))
    return 0


def _when(record: Any) -> str:
    return str(record.get("created_at", ""))[:19]


if __name__ == "__main__":
    sys.exit(main())

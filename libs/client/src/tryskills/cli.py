"""The `tryskills` command."""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tryskills.client import Client
from tryskills.commands import COMMANDS, read_file
from tryskills.conversation import CHOICES
from tryskills.errors import ApiError, UnreachableError
from tryskills.settings import read_settings
from tryskills.terminal import Terminal
from tryskills.trying import Trial, Wish

INTERRUPTED = 130


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

    def command(name: str, told: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[common], help=told)

    _add_try(command("try", "launch a skill and say something"))
    skills = command("skills", "the skills of a repository")
    skills.add_argument("repository", help="owner/repo")
    sessions = command("sessions", "your conversations")
    sessions.add_argument("query", nargs="?", help="words of their titles or texts")
    _add_copies(command("export", "a conversation as a file"), command("share", "a link to one"))
    _add_files(command("files", "the files of a conversation"))
    usage = command("usage", "what models cost you")
    usage.add_argument("--days", type=int, default=7)
    usage.add_argument("--cap", metavar="TOKENS", help="your limit a day, or none")
    command("trials", "your last launches")
    sandbox = command("sandbox", "your sandbox")
    sandbox.add_argument("action", nargs="?", choices=("stop", "delete"))
    return parser


def _add_try(trying: argparse.ArgumentParser) -> None:
    trying.add_argument("ref", help="a skills.sh or GitHub link, owner/repo/skill, or a directory")
    trying.add_argument("--prompt", required=True, help="what to say to the agent")
    trying.add_argument("--approve", choices=CHOICES, help="answer every approval with this")
    trying.add_argument("--attach", metavar="FILE", action="append", default=[], help="a file")
    trying.add_argument("--accept-report", action="store_true", help="accept the safety report")
    trying.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a variable of the skill"
    )


def _add_copies(export: argparse.ArgumentParser, share: argparse.ArgumentParser) -> None:
    export.add_argument("session", help="its id")
    export.add_argument("--format", choices=("md", "json"), default="md")
    export.add_argument("--output", help="where to [its own name; - prints it]")
    export.add_argument("--no-redact", action="store_true", help="with what looks like a key")
    share.add_argument("session", help="its id")
    share.add_argument("--days", type=int, default=30, help="until it expires")
    share.add_argument("--no-tools", action="store_true", help="without what the tools did")
    share.add_argument("--end", action="store_true", help="end all its links")


def _add_files(files: argparse.ArgumentParser) -> None:
    files.add_argument("session", help="its id")
    files.add_argument("--get", metavar="PATH", help="fetch one")
    files.add_argument("--put", metavar="FILE", action="append", default=[], help="upload one")
    files.add_argument("--zip", action="store_true", help="fetch all of them")
    files.add_argument("--output", help="where to [its own name; - prints it]")


async def _run(asked: argparse.Namespace, terminal: Terminal) -> int:
    run = {"try": _try, **COMMANDS}[asked.command]
    async with Client(asked.url, asked.token) as client:
        return await run(client, terminal, asked)


async def _try(client: Client, terminal: Terminal, asked: argparse.Namespace) -> int:
    variables = dict(_variables(asked.set))
    attached = {Path(name).name: read_file(name) for name in asked.attach}
    wish = Wish(asked.ref, asked.prompt, asked.approve, asked.accept_report, variables, attached)
    return await Trial(client, terminal, wish).run()


def _variables(given: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            # Without the text: it may be a value.
            sys.exit("--set takes NAME=VALUE")
        yield name, value


if __name__ == "__main__":
    sys.exit(main())

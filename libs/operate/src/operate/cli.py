"""The words of the command line."""

import argparse
import getpass
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from common.contracts.sandbox import SandboxState

ABOUT = """\
What operators run beside the services.

NATS_URL (user `operator`) and MONGODB_URI say where; on one machine: . .local/env/operator.env
"""
STATUS = """\
Exit status: 0 done; 1 it did not come about, and why is on standard error; 2 it was asked wrongly;
3 done, and something is not as it should be (the balance does not hold, something still runs).
"""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m operate",
        description=ABOUT,
        epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _looking(commands)
    _restricting(commands)
    _telling(commands)
    _keeping(commands)
    return made


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _looking(commands: Commands) -> None:
    listing = commands.add_parser("sandboxes", help="list the sandboxes there are")
    listing.add_argument("--state", choices=[str(state) for state in SandboxState])
    listing.add_argument("--owner", help="only this owner's")
    listing.add_argument("--skill", help="only those with it: a digest or owner/repo")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    commands.add_parser(
        "balance", help="compare records and provider, change nothing; 3 when it does not hold"
    )
    commands.add_parser("restrictions", help="what is blocked and drained, by whom and why")
    audit = commands.add_parser("audit", help="what operators did, newest first")
    audit.add_argument("--limit", type=int, default=100)


def _restricting(commands: Commands) -> None:
    blocking = commands.add_parser(
        "block", help="from now on nothing of a skill is launched, used or gone on with"
    )
    unblocking = commands.add_parser("unblock", help="take a block back")
    for command in (blocking, unblocking):
        command.add_argument("skill", help="a digest (sha256:...) or a repository (owner/repo)")
    draining = commands.add_parser(
        "drain", help="nothing new begins, neither launch nor turn; what runs goes on"
    )
    resuming = commands.add_parser("resume", help="take a drain back")
    for command in (draining, resuming):
        command.add_argument("whom", help="`everybody`, or an owner's id (own_...)")
    draining.add_argument(
        "--wait", type=duration, help="until nothing runs, at most so long: 90s, 10m, 1h"
    )
    for command in (blocking, unblocking, draining, resuming):
        command.add_argument("--reason", required=True, help="told to users, and for the audit")
        command.add_argument("--by", default=_user(), help="for the audit (%(default)s)")


def _telling(commands: Commands) -> None:
    again = commands.add_parser("republish", help="tell events again from the archive")
    printing = commands.add_parser("events", help="print events of the archive as lines of JSON")
    for command in (again, printing):
        command.add_argument(
            "--since", type=moment, required=True, help="told from then on: 2026-01-31T08:00Z"
        )
        command.add_argument("--until", type=moment, help="told before then")
        command.add_argument(
            "--type", dest="types", action="append", help="only these; repeatable"
        )
    again.add_argument("--dry-run", action="store_true", help="only count them")
    reader = commands.add_parser("reader", help="a login for a team that reads events")
    reader.add_argument("name", help="small letters, digits and dashes")
    reader.add_argument("--into", type=Path, required=True, help="your copy of users.conf")
    reader.add_argument("--server", default="nats://127.0.0.1:4222", help="as the team reaches it")


def _keeping(commands: Commands) -> None:
    saving = commands.add_parser("backup", help="write streams and databases into a folder")
    loading = commands.add_parser("restore", help="put a back-up in the place of what is there")
    loading.add_argument("--replace", action="store_true", help="delete what is there first")
    checking = commands.add_parser("verify", help="say whether a back-up is whole")
    for command in (saving, loading, checking):
        command.add_argument("folder", type=Path)


def _user() -> str:
    """A container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"


def moment(text: str) -> datetime:
    """ISO 8601; UTC where no zone is said."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+)([smh])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: 90s, 10m, 1h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})

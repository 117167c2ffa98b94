"""`python -m sandbox_manager` serves. `reconcile [--dry-run]` compares records and provider once;
`snapshot build|check` makes or examines what sandboxes are made from.
"""

import argparse
import sys

import uvloop
from common.telemetry.configuring import configure

from sandbox_manager.main import run
from sandbox_manager.main.commands import SERVICE, reconcile, snapshot
from sandbox_manager.settings import load


def main(arguments: list[str]) -> int:
    asked = parser().parse_args(arguments)
    settings = load()
    configure(SERVICE, settings.telemetry)
    if asked.command == "reconcile":
        return uvloop.run(reconcile(settings, sys.stdout.write, dry_run=asked.dry_run))
    if asked.command == "snapshot":
        return uvloop.run(snapshot(settings, sys.stdout.write, build=asked.what == "build"))
    uvloop.run(run(settings))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m sandbox_manager", description=__doc__)
    commands = made.add_subparsers(dest="command")
    reconciling = commands.add_parser("reconcile", help="compare records and provider once")
    reconciling.add_argument(
        "--dry-run", action="store_true", help="only print what would be done"
    )
    snapshots = commands.add_parser("snapshot", help="what sandboxes are made from")
    snapshots.add_argument("what", choices=("build", "check"))
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The contract kit.

`verify` replays recorded events twice and shuffled into a consumer and says whether it bears that;
`check` compares the schemas of the code with those that are published.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from common.contracts import kit
from common.contracts.compatibility import breaks
from common.contracts.events import EVENTS

RECORDED = "recorded.jsonl"
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_HELD, _BROKEN, _IMPOSSIBLE = 0, 1, 2


def main(arguments: Sequence[str]) -> int:
    asked = parser().parse_args(arguments)
    if asked.work == "check":
        return check(asked.folder)
    try:
        return verify(asked)
    except (kit.ConsumerError, OSError, ValueError) as exc:
        sys.stderr.write(f"verify: {exc}\n")
        return _IMPOSSIBLE


def verify(asked: argparse.Namespace) -> int:
    events = recorded(asked.events)
    if asked.types:
        events = [event for event in events if event["type"] in asked.types]
    if not events:
        message = "there is no event to replay"
        raise ValueError(message)
    findings = list(
        kit.verify(_consumer(asked.consumer), events, shuffles=asked.shuffles, seed=asked.seed)
    )
    for finding in findings:
        reason = f": {finding.detail}" if finding.detail else ""
        sys.stdout.write(
            f"{'ok    ' if finding.is_held else 'FAILED'} {finding.promise}{reason}\n"
        )
    is_good = all(finding.is_held for finding in findings)
    sys.stdout.write(f"{len(events)} events: {'it bears them' if is_good else 'it does not'}\n")
    return _HELD if is_good else _BROKEN


def recorded(path: Path | None = None) -> list[dict[str, Any]]:
    """The events in that file, one a line; by default those that come with the kit, told by a real
    platform.
    """
    text = path.read_text() if path else (files("common.contracts") / RECORDED).read_text()
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def check(folder: Path) -> int:
    published = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    found = breaks(published, {event.type: event.schema() for event in EVENTS})
    for broken in found:
        sys.stderr.write(f"{broken}\n")
    if found:
        sys.stderr.write("a published schema only gains optional fields: make it a new version\n")
    return _BROKEN if found else _HELD


def _consumer(words: Sequence[str]) -> kit.Consumer:
    if len(words) == 1 and _FUNCTION.fullmatch(words[0]):
        return kit.of_function(words[0])
    return kit.of_command(words)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m common.contracts",
        description=__doc__,
        epilog="Exit status: 0 all is well, 1 a promise does not hold, 2 it could not be tried.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    works = made.add_subparsers(dest="work", required=True)
    verifying = works.add_parser("verify", help="try a consumer")
    verifying.add_argument(
        "consumer",
        nargs="+",
        help="module:function, which takes a list of events and returns what it knows then; or a "
        "command, which reads them as lines of JSON and prints what it knows ($CONSUMER_STATE is "
        "a fresh directory for it); after -- when it has options of its own",
    )
    verifying.add_argument("--events", type=Path, help="recorded events, one a line")
    verifying.add_argument("--type", dest="types", action="append", help="only these; repeatable")
    verifying.add_argument("--shuffles", type=int, default=20, help="how many orders (20)")
    verifying.add_argument("--seed", type=int, default=1, help="of the shuffling (1)")
    checking = works.add_parser("check", help="compare the code with published schemas")
    checking.add_argument("folder", type=Path, help="with a file <type>.json each")
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

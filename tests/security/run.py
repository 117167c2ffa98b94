"""`make security`: every promise with its checks, one line each; status 1 when one does not
hold.

The tests of a package are a run of their own; what ran is read from the reports of pytest.
"""

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from promises import PROMISES, Promise

ROOT = Path(__file__).parents[2]
MAKE = "make "
CANNOT = 3
"""The status of a make target that could not look, and says so."""


@dataclass
class Outcome:
    """Of one check: how many passed, which did not, and why it could not be looked at."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def main() -> int:
    checks = {check for promise in PROMISES for check in promise.checks}
    outcomes = run_tests(check for check in checks if not check.startswith(MAKE))
    for check in sorted(check for check in checks if check.startswith(MAKE)):
        outcomes[check] = run_target(check.removeprefix(MAKE))
    print()
    held = [told(promise, outcomes) for promise in PROMISES]
    return 0 if all(held) else 1


def told(promise: Promise, outcomes: dict[str, Outcome]) -> bool:
    """Print the promise's line; whether it is good enough to go on."""
    mine = [outcomes[check] for check in promise.checks]
    failed = [name for outcome in mine for name in outcome.failed]
    skipped = [why for outcome in mine for why in outcome.skipped]
    passed = sum(outcome.passed for outcome in mine)
    if failed or not (passed or skipped):
        print(f"BROKEN       {promise.text}: {', '.join(failed[:3]) or 'nothing was checked'}")
        return False
    if skipped:
        print(f"NOT CHECKED  {promise.text}: {skipped[0]}")
        return not passed and promise.checks[0].startswith(MAKE)
    print(f"held         {promise.text} ({passed} checks)")
    return True


def run_tests(checks: Iterable[str]) -> dict[str, Outcome]:
    """Run what the checks need, a folder of tests at a time."""
    by_folder: dict[str, set[str]] = defaultdict(set)
    wanted = list(checks)
    for check in wanted:
        by_folder[str(Path(check.partition("::")[0]).parent)].add(check)
    cases = [case for folder in sorted(by_folder) for case in run_folder(by_folder[folder])]
    return {check: outcome_of(check, cases) for check in wanted}


def run_folder(checks: set[str]) -> list[ElementTree.Element]:
    print(f"... {', '.join(sorted(checks))}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *sorted(checks)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode not in {0, 1} or not report.exists():
            print(done.stdout + done.stderr)
            return []
        if done.returncode:
            print(done.stdout[-6000:])
        return list(ElementTree.parse(report).getroot().iter("testcase"))


def outcome_of(check: str, cases: Iterable[ElementTree.Element]) -> Outcome:
    file, _, group = check.partition("::")
    wanted = file.removesuffix(".py").replace("/", ".") + (f".{group}" if group else "")
    outcome = Outcome()
    for case in cases:
        where = case.get("classname", "")
        if where != wanted and not where.startswith(f"{wanted}."):
            continue
        name = f"{where.rpartition('.')[2]}.{case.get('name', '')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed.append(name)
        elif skipped is not None:
            outcome.skipped.append(skipped.get("message", "skipped"))
        else:
            outcome.passed += 1
    return outcome


def run_target(target: str) -> Outcome:
    print(f"... make {target}", flush=True)
    done = subprocess.run(
        ["make", "--no-print-directory", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    last = (done.stdout + done.stderr).strip().splitlines()[-1:] or [""]
    if f"Error {CANNOT}" in done.stderr:
        said = done.stdout.strip().splitlines()[-1:] or [""]
        return Outcome(skipped=said)
    if done.returncode:
        print(done.stdout + done.stderr)
        return Outcome(failed=[f"make {target}: {last[0]}"])
    return Outcome(passed=1)


if __name__ == "__main__":
    sys.exit(main())

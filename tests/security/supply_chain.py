"""The dependencies and the repository itself: `audit`, `secrets`, `sbom`.

Status 1: something was found. Status 3: it cannot be looked at from here, as the last line says.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".local/security/bin"
LOCK = ROOT / "requirements.lock"
SERVICES = ("gateway", "sandbox-manager", "skill-resolver", "chat-proxy", "keys")
FOUND, CANNOT_LOOK = 1, 3
MADE_UP = re.compile(r"(^|/)(tests|fixtures)/|/static/vendor/|(requirements|package-lock)\.\w+$")
"""Where secrets are made up, and files of hashes."""
CHECKSUM = r"sha(256|384|512)[-:]"
PLANTED = "AKIA" + "QYLPMN5HFIQR7XYA"


def main(what: str) -> int:
    return {"audit": audit, "secrets": secrets, "sbom": sbom}[what]()


def audit() -> int:
    """Ask the service of known vulnerabilities about everything in the lock."""
    command = ["pip-audit", "--requirement", str(LOCK), "--require-hashes", "--disable-pip"]
    done = run(*command, "--format", "json", "--progress-spinner", "off", "--timeout", "15")
    try:
        asked = json.loads(done.stdout)["dependencies"]
    except ValueError:
        asked = []
    known = [dependency for dependency in asked if "skip_reason" not in dependency]
    holes = [dependency for dependency in known if dependency["vulns"]]
    for dependency in holes:
        ids = ", ".join(hole["id"] for hole in dependency["vulns"])
        print(f"{dependency['name']} {dependency['version']}: {ids}")
    if holes:
        return FOUND
    if not known or len(known) < len(asked):
        silent = len(asked) - len(known)
        print(f"the service of known holes told nothing about {silent or 'all'} dependencies")
        return CANNOT_LOOK
    print(f"no known hole in {len(known)} dependencies")
    return 0


def secrets() -> int:
    """Look at every tracked file; first at one with a secret, which must be found."""
    with tempfile.TemporaryDirectory() as folder:
        planted = Path(folder) / "planted.txt"
        planted.write_text(f"key = {PLANTED}\n")
        if not looked_for([str(planted)]):
            print("a secret that was planted was not found")
            return FOUND
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [name for name in listed.stdout.split("\0") if name and not MADE_UP.search(name)]
    found = looked_for(files)
    print("\n".join(found) or f"no secret in {len(files)} files")
    return FOUND if found else 0


def looked_for(files: Sequence[str]) -> list[str]:
    """Where a secret stands; names of variables, which speak of keys all the time, are no sign."""
    options = ("--json", "--disable-plugin", "KeywordDetector", "--exclude-lines", CHECKSUM)
    done = run("detect-secrets-hook", *options, *files)
    results: dict[str, list[dict[str, Any]]] = json.loads(done.stdout or "{}").get("results", {})
    return [
        f"{name}:{secret['line_number']}: {secret['type']}"
        for name, secrets in results.items()
        for secret in secrets
    ]


def sbom() -> int:
    """Write `sbom/<service>.json`: what a service needs, at the versions of the lock."""
    folder = ROOT / "sbom"
    folder.mkdir(exist_ok=True)
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", LOCK.read_text(), re.M))
    pinned: dict[str, str] = {canonicalize_name(name): pins[name] for name in pins}
    for service in SERVICES:
        needed = sorted(closure(service) & pinned.keys())
        lines = "".join(f"{name}=={pinned[name]}\n" for name in needed)
        file = folder / f"{service}.json"
        run("cyclonedx-py", "requirements", "-", "--of", "JSON", "-o", str(file), given=lines)
        bill = json.loads(file.read_text())
        components = bill["components"]
        for component in components:
            # Where a package can be got is the operator's business.
            component.pop("externalReferences", None)
        file.write_text(json.dumps(bill, indent=2) + "\n")
        print(f"sbom/{service}.json: {len(components)} components")
        if len(components) != len(needed) or len(needed) < 10:
            return FOUND
    return 0


def closure(package: str) -> set[str]:
    """The names of everything that `package` needs on this platform."""
    found: set[str] = set()
    waiting = [Requirement(package)]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found and not requirement.extras:
            continue
        found.add(name)
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for need in map(Requirement, needs):
            if applies(need, requirement.extras) and canonicalize_name(need.name) not in found:
                waiting.append(need)
    return found


def applies(need: Requirement, extras: set[str]) -> bool:
    marker = need.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""})


def run(program: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOOLS / program), *arguments],
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

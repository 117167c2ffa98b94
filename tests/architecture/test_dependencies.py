"""Every dependency a package declares is pinned in the lock, within the bounds it declares."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECTS = sorted(ROOT.glob("libs/*/pyproject.toml")) + sorted(
    ROOT.glob("services/*/pyproject.toml")
)
PROJECTS.append(ROOT / "deploy/local/pyproject.toml")
OWN = {"common"}


def locked() -> dict[str, Version]:
    pins = re.findall(
        r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", (ROOT / "requirements.lock").read_text(), re.M
    )
    return {canonicalize_name(name): Version(version) for name, version in pins}


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.parent.name)
class TestLock:
    def test_it_pins_what_is_declared(self, project: Path) -> None:
        declared = tomllib.loads(project.read_text())["project"]["dependencies"]
        pins = locked()

        for line in declared:
            requirement = Requirement(line)
            name = canonicalize_name(requirement.name)
            if name not in OWN:
                assert name in pins, f"{name} is not in requirements.lock: run make lock"
                assert requirement.specifier.contains(pins[name], prereleases=True), line


class TestHosts:
    def test_the_lock_names_no_address(self) -> None:
        assert "://" not in (ROOT / "requirements.lock").read_text()

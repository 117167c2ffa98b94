"""One platform that two people use, with secrets that can be recognised wherever they turn up."""

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from local_platform.instance import ROOT, Instance, running
from local_platform.visitor import Visitor

# The kit has modules of its own.
sys.path.insert(0, str(Path(__file__).parent))

from security_kit.provider import Provider, forwarding
from security_kit.scanning import Stores

SKILL = """\
---
name: marked
description: Asks for a variable, for tests.
required_environment_variables:
  - name: MARKED_TOKEN
    help: nowhere
---

# Marked

Use the variable MARKED_TOKEN.
"""


@pytest.fixture(scope="session")
def marked_skill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("roots") / "marked-skills"
    (folder / "marked").mkdir(parents=True)
    (folder / "marked/SKILL.md").write_text(SKILL)
    return folder


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, marked_skill: Path) -> Iterator[Instance]:
    roots = f"{ROOT / 'examples/skills'},{marked_skill}"
    folder = tmp_path_factory.mktemp("platform")
    settings = {
        "SKILL_RESOLVER_LOCAL_ROOTS": roots,
        "GATEWAY_ADDRESS_REQUESTS_PER_MINUTE": "60000",
        "LOCAL_DAYTONA_ROOTS_DIR": str(ROOT / ".local/daytona/roots"),
    }
    with running(folder, **settings) as instance:
        yield instance


@pytest.fixture(scope="session")
def new_visitor(platform: Instance) -> Iterator[Callable[[], Visitor]]:
    """Each call is a user that the platform has never seen."""
    numbers, made = itertools.count(), []

    def make() -> Visitor:
        made.append(Visitor.named(f"person-{next(numbers)}@example.org", platform))
        return made[-1]

    yield make
    for visitor in made:
        visitor.http.close()


@pytest.fixture(scope="session")
def stores(platform: Instance) -> Stores:
    return Stores(platform)


@pytest.fixture(scope="session")
def llm(stores: Stores) -> Iterator[Provider]:
    """A provider of one's own that wants a key: the demo model behind a door."""
    with forwarding(f"http://127.0.0.1:{stores.port('demo-model')}/v1") as provider:
        yield provider


@pytest.fixture
def anonymous(platform: Instance) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url) as client:
        yield client

"""One platform and one browser for all of these tests; each test is another person."""

import itertools
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from local_platform.instance import Instance, running
from local_platform.visitor import Visitor
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

# The kit has modules of its own.
sys.path.insert(0, str(Path(__file__).parent))

from browser_kit.oddities import write_oddities
from browser_kit.visiting import Meet, Person
from browser_kit.watching import Watch

EXAMPLES = Path(__file__).parents[2] / "examples/skills"
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, PHONE = 1280, 360
HEIGHTS = {WIDE: 800, PHONE: 740}
PATIENCE_MS = 15_000

Theme = Literal["dark", "light"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--platform", help="the data directory of a platform; it is left running")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is missing: the pages were not looked at (apt-get install chromium)")
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def platform(
    browser: Browser, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    """Started after the browser: without one nothing is started."""
    if kept := request.config.getoption("--platform"):
        yield Instance.of(Path(kept))
        return
    odd = write_oddities(tmp_path_factory.mktemp("oddities"))
    roots = f"{EXAMPLES},{odd}"
    data = tmp_path_factory.mktemp("platform")
    with running(data, SKILL_RESOLVER_LOCAL_ROOTS=roots) as instance:
        yield instance


@pytest.fixture(scope="session")
def names() -> Iterator[str]:
    """Of this run alone: a platform that is kept knows those of earlier ones."""
    run = secrets.token_hex(3)
    return (f"person-{run}-{number}" for number in itertools.count())


@pytest.fixture
def meet(browser: Browser, platform: Instance, names: Iterator[str]) -> Iterator[Meet]:
    """Each call is a person whom the platform has never seen, or another device of `visitor`; a
    page that did something wrong fails the test.
    """
    met: list[Person] = []
    new: list[Visitor] = []

    def meet(
        *,
        theme: Theme = "dark",
        width: int = WIDE,
        visitor: Visitor | None = None,
        scripts: bool = True,
    ) -> Person:
        if visitor is None:
            visitor = Visitor.named(next(names), platform)
            new.append(visitor)
        context = browser.new_context(
            viewport={"width": width, "height": HEIGHTS[width]},
            color_scheme=theme,
            extra_http_headers={"Authorization": f"Bearer {visitor.token}"},
            reduced_motion="reduce",
            java_script_enabled=scripts,
        )
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        watch = Watch()
        watch.over(context)
        met.append(Person(context.new_page(), context, visitor, watch))
        return met[-1]

    yield meet
    for person in met:
        person.context.close()
    for visitor in new:
        visitor.http.close()
    problems = [problem for person in met for problem in person.watch.problems]
    assert not problems, "\n".join(problems)


@pytest.fixture
def person(meet: Meet) -> Person:
    return meet()

"""What each page weighs, and when a person first sees something of it, with an empty cache.

Bytes are as they travel, compressed. The baseline of a first paint is a page of one word, served
by the same gateway to the same browser.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_platform.instance import Instance
from local_platform.visitor import Visitor
from playwright.sync_api import Browser, sync_playwright

from bench.figures import Figure, percentile

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
RUNS = 5
HELLO = "/local/examples/hello"
BARE = "/healthz"
MOST_TIMES_BARE = 6
_PAINTED = """() => new Promise((resolve) => {
  new PerformanceObserver((list) => resolve(list.getEntriesByName('first-contentful-paint')[0]
    .startTime)).observe({type: 'paint', buffered: true});
})"""


@dataclass
class Visit:
    """One page, seen for the first time: bytes by kind of file, requests, the first paint."""

    bytes_of: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    painted_ms: float = 0.0


def measure(instance: Instance) -> list[Figure]:
    if not CHROMIUM.exists():
        print("pages: not measured, Chromium is missing (apt-get install chromium)")
        return []
    visitor = Visitor.named("bench-pages", instance)
    launch = visitor.launched("examples/skills/hello")
    session = visitor.post("/api/sessions", launch_id=launch["id"])["id"]
    paths = {
        "home": "/",
        "skill": HELLO,
        "chat": f"{HELLO}?session={session}",
        "dashboard": "/dashboard",
        "settings": "/settings",
    }
    with _chromium() as browser:
        bare = percentile([_visit(browser, visitor, BARE).painted_ms for _ in range(RUNS)], 50)
        figures = [Figure("page of one word, first paint, p50", bare, "ms")]
        for name, path in paths.items():
            visits = [_visit(browser, visitor, path) for _ in range(RUNS)]
            figures += _figures(name, visits, bare)
    return figures


def _figures(name: str, visits: list[Visit], bare: float) -> list[Figure]:
    last = visits[-1]
    painted = percentile([visit.painted_ms for visit in visits], 50)
    ratio = painted / bare
    return [
        Figure(f"page {name}, document", last.bytes_of["Document"] / 1000, "kB"),
        Figure(f"page {name}, script", last.bytes_of["Script"] / 1000, "kB"),
        Figure(f"page {name}, style", last.bytes_of["Stylesheet"] / 1000, "kB"),
        Figure(f"page {name}, requests", last.requests, ""),
        Figure(
            f"page {name}, first paint, p50",
            painted,
            "ms",
            baseline=bare,
            ratio=ratio,
            goal=f"under {MOST_TIMES_BARE} x a page of one word",
            ok=ratio < MOST_TIMES_BARE,
        ),
    ]


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def _visit(browser: Browser, visitor: Visitor, path: str) -> Visit:
    """In a context of its own: nothing is kept from the visit before."""
    context = browser.new_context(extra_http_headers={"Authorization": f"Bearer {visitor.token}"})
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    visit, kinds = Visit(), dict[str, str]()

    def asked(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event["type"]
        visit.requests += 1

    def loaded(event: dict[str, Any]) -> None:
        visit.bytes_of[kinds.get(event["requestId"], "")] += event["encodedDataLength"]

    network.on("Network.requestWillBeSent", asked)
    network.on("Network.loadingFinished", loaded)
    page.goto(f"{str(visitor.http.base_url).rstrip('/')}{path}", wait_until="load")
    visit.painted_ms = page.evaluate(_PAINTED)
    page.wait_for_timeout(200)
    context.close()
    return visit

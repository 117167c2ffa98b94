"""`python tests/browser/screenshots.py FOLDER`: every page as a person sees it, in both themes.

A platform of its own answers; what is shown is what it does. WebP keeps the folder small.
"""

import base64
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_platform.instance import Instance, running
from local_platform.visitor import Visitor
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

# The kit has modules of its own.
sys.path.insert(0, str(Path(__file__).parent))

from browser_kit.oddities import RISKY, odd, write_oddities
from browser_kit.visiting import answered, say

EXAMPLES = Path(__file__).parents[2] / "examples/skills"
CHROMIUM = "/usr/bin/chromium"
WIDE: ViewportSize = {"width": 1200, "height": 750}
PHONE: ViewportSize = {"width": 390, "height": 780}
QUALITY = 82
COUNT = "/local/examples/word-count"
ASKED = "How many words are in the manual of this skill?"


@dataclass(frozen=True)
class Shot:
    """`show` brings a page to what is to be seen."""

    name: str
    show: Callable[["Visit"], None]
    is_phone: bool = False


@dataclass(frozen=True)
class Visit:
    page: Page
    url: str
    session: str

    def go(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def chat(self) -> None:
        self.go(f"{COUNT}?session={self.session}")
        expect(self.page.locator(".end.completed")).to_be_visible()


def files(visit: Visit) -> None:
    visit.go(f"{COUNT}?file=scripts/word_count.py")
    visit.page.locator("#viewer").scroll_into_view_if_needed()


SHOTS = [
    Shot("home", lambda visit: visit.go("/")),
    Shot("not-found", lambda visit: visit.go("/?ref=examples/skills/wordcount")),
    Shot("skill", lambda visit: visit.go(COUNT)),
    Shot("files", files),
    Shot("report", lambda visit: visit.go(odd(RISKY))),
    Shot("repository", lambda visit: visit.go("/local/examples")),
    Shot("chat", Visit.chat),
    Shot("chat-phone", Visit.chat, is_phone=True),
    Shot("skill-phone", lambda visit: visit.go(odd(RISKY)), is_phone=True),
    Shot("share", lambda visit: visit.go(f"/ui/sessions/{visit.session}/share")),
    Shot("dashboard", lambda visit: visit.go("/dashboard")),
    Shot("settings", lambda visit: visit.go("/settings")),
    Shot("api", lambda visit: visit.go("/docs")),
]


def main(folder: Path, kept: str | None = None) -> None:
    """`kept`: the data directory of a platform that runs already, with the oddities on it."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        with _platform(kept) as instance:
            _take(browser, instance, folder)
        browser.close()


@contextmanager
def _platform(kept: str | None) -> Iterator[Instance]:
    if kept:
        yield Instance.of(Path(kept))
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        roots = f"{EXAMPLES},{write_oddities(root / 'oddities')}"
        with running(root / "data", SKILL_RESOLVER_LOCAL_ROOTS=roots) as instance:
            yield instance


def _take(browser: Browser, instance: Instance, folder: Path) -> None:
    visitor = Visitor.named("visitor", instance)
    context = _context(browser, visitor, "light", is_phone=False)
    session = _lived_in(context.new_page(), visitor)
    context.close()
    for theme in ("light", "dark"):
        for is_phone in (False, True):
            context = _context(browser, visitor, theme, is_phone=is_phone)
            visit = Visit(context.new_page(), instance.url, session)
            for shot in SHOTS:
                if shot.is_phone == is_phone:
                    shot.show(visit)
                    _keep(visit.page, folder / f"{shot.name}-{theme}.webp")
            context.close()


def _lived_in(page: Page, visitor: Visitor) -> str:
    """Somebody who has tried a few things; the conversation to look at."""
    url = str(visitor.http.base_url).rstrip("/")
    for ref in ("examples/skills/hello", "examples/skills/support-reply"):
        visitor.launched(ref)
    page.goto(f"{url}{COUNT}")
    page.get_by_role("button", name="Try word-count").click()
    expect(page.get_by_label("Your message")).to_be_focused(timeout=60_000)
    say(page, ASKED)
    answered(page)
    session = page.url.partition("session=")[2]
    visitor.http.patch(f"/api/sessions/{session}", json={"title": "How long is the manual?"})
    return session


def _context(browser: Browser, visitor: Visitor, theme: str, *, is_phone: bool) -> BrowserContext:
    return browser.new_context(
        viewport=PHONE if is_phone else WIDE,
        color_scheme="dark" if theme == "dark" else "light",
        extra_http_headers={"Authorization": f"Bearer {visitor.token}"},
        reduced_motion="reduce",
    )


def _keep(page: Page, path: Path) -> None:
    """Chromium itself makes the WebP."""
    page.evaluate("document.activeElement?.blur()")
    session = page.context.new_cdp_session(page)
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    path.write_bytes(base64.b64decode(taken["data"]))
    session.detach()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])

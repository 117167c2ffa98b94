"""A person in front of a browser."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from browser_kit.watching import Watch
from local_platform.visitor import Visitor
from playwright.sync_api import BrowserContext, Page, expect

HELLO = "examples/skills/hello"
HELLO_PAGE = "/local/examples/hello"
LAUNCHED_MS = 60_000
ANSWER_MS = 60_000


@dataclass(frozen=True)
class Person:
    """`page` is the first tab; `visitor` is the same user over the API."""

    page: Page
    context: BrowserContext
    visitor: Visitor
    watch: Watch

    def go(self, path: str, page: Page | None = None) -> Page:
        """Open a path of the platform, in the first tab unless another is given."""
        page = page or self.page
        page.goto(f"{str(self.visitor.http.base_url).rstrip('/')}{path}")
        return page

    def new_session(self) -> str:
        """A conversation with the first example skill; the sandbox is made when there is none."""
        launch = self.visitor.launched(HELLO)
        session_id: str = self.visitor.post("/api/sessions", launch_id=launch["id"])["id"]
        return session_id

    def open_chat(self, session_id: str, page: Page | None = None) -> Page:
        return self.go(f"{HELLO_PAGE}?session={session_id}", page)

    def chat(self) -> Page:
        """A new conversation, open in the first tab."""
        return self.open_chat(self.new_session())


Meet = Callable[..., Person]
"""Another person, or another device of one: see the fixture `meet`."""


def say(page: Page, text: str) -> None:
    """Type a message and send it as most people do."""
    page.get_by_label("Your message").fill(text)
    page.get_by_label("Your message").press("Enter")


def speaking(page: Page) -> None:
    """Wait until the last answer has begun, and goes on."""
    words = page.locator(".turn:last-child .words").last
    expect(words).to_contain_text(re.compile(r"\w+ \w+"), timeout=ANSWER_MS)


def transcript(page: Page) -> str:
    """The conversation's markup; white space between elements does not count."""
    return re.sub(r">\s+<", "><", page.locator("#transcript").inner_html()).strip()


def answered(page: Page, state: str = "completed") -> None:
    """Wait until the last turn is over, in this way."""
    expect(page.locator(f".turn:last-child > .end.{state}")).to_be_visible(timeout=ANSWER_MS)

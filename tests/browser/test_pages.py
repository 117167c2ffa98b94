"""Every page, in both themes, on a wide screen and on a phone: nothing in anybody's way."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from browser_kit.oddities import BLOCKED, HOSTILE, LABEL, RISKY, odd
from browser_kit.visiting import HELLO_PAGE, Meet, answered, say
from browser_kit.watching import accessibility_findings
from playwright.sync_api import Page

LOOKS = [(theme, width) for theme in ("dark", "light") for width in (1280, 360)]
EVERYTHING = (
    "[[reasoning:First I look.]] [[pre:I look at the files.]] "
    '[[tool:terminal {"command": "ls"}]] [[tool:read_file {"path": "missing.txt"}]] '
    "[[say:# Found\n\nSome `code`, a [link](https://example.org), and\n\n```python\nx = 1\n```\n]]"
)


@dataclass(frozen=True)
class Place:
    """A page by its name; `path` may need a conversation."""

    name: str
    path: Callable[[str, str], str]


PLACES = [
    Place("home", lambda *_: "/"),
    Place("nothing found", lambda *_: "/?ref=examples/skills/helo"),
    Place("skill", lambda *_: HELLO_PAGE),
    Place("skill with findings", lambda *_: odd(RISKY)),
    Place("blocked skill", lambda *_: odd(BLOCKED)),
    Place("hostile skill", lambda *_: odd(HOSTILE)),
    Place("source", lambda *_: f"{odd(RISKY)}?file=scripts/run.sh"),
    Place("repository", lambda *_: f"/local/{LABEL}"),
    Place("dashboard", lambda *_: "/dashboard"),
    Place("share", lambda session, _: f"/ui/sessions/{session}/share"),
    Place("settings", lambda *_: "/settings"),
    Place("docs", lambda *_: "/docs"),
    Place("lost", lambda *_: "/nothing"),
    Place("chat", lambda session, _: f"{HELLO_PAGE}?session={session}"),
    Place("shared", lambda _, shared: shared),
]


def opened_everywhere(page: Page) -> None:
    """What is folded is looked at, too."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


class TestEveryPage:
    @pytest.mark.parametrize(("theme", "width"), LOOKS)
    def test_anybody_can_use_it(self, meet: Meet, theme: str, width: int) -> None:
        person = meet(theme=theme, width=width)
        session = person.new_session()
        say(person.open_chat(session), EVERYTHING)
        answered(person.page)
        shared = person.visitor.post(f"/api/sessions/{session}/share")["url"]
        shared = "/shared/" + shared.rpartition("/")[2]
        person.watch.expect("status of 404")

        found: list[str] = []
        for place in PLACES:
            page = person.go(place.path(session, shared))
            opened_everywhere(page)
            found += [f"{place.name}: {line}" for line in accessibility_findings(page)]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{place.name}: it scrolls sideways")

        assert not found, "\n".join(found)

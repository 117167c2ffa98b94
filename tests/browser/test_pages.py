"""Every page, in both themes, on a wide screen and on a phone: nothing in anybody's way."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from browser_kit.oddities import BLOCKED, HOSTILE, LABEL, RISKY, odd
from browser_kit.visiting import ANSWER_MS, HELLO, HELLO_PAGE, Meet, say
from browser_kit.watching import accessibility_findings
from local_platform.instance import Instance
from local_platform.visitor import Visitor
from playwright.sync_api import Page, expect

LOOKS = [(theme, width) for theme in ("dark", "light") for width in (1280, 360)]
EVERYTHING = (
    "[[reasoning:First I look.]] [[pre:I look at the files.]] "
    """[[tool:terminal {"command": "mkdir out; echo '# Note' > out/note.md; echo 1 > a.py"}]] """
    '[[tool:read_file {"path": "missing.txt"}]] '
    "[[say:# Found\n\nSome `code`, a [link](https://example.org), and\n\n```python\nx = 1\n```\n\n"
    "| a | b |\n| - | - |\n| 1 | 2 |\n]]"
)


@dataclass(frozen=True)
class Talked:
    """A user with a conversation in which everything happened, and a link to it."""

    visitor: Visitor
    session_id: str
    shared: str


@pytest.fixture(scope="module")
def talked(platform: Instance) -> Iterator[Talked]:
    visitor = Visitor.named("reader", platform)
    launch = visitor.launched(HELLO)
    session_id: str = visitor.post("/api/sessions", launch_id=launch["id"])["id"]
    path = f"/api/sessions/{session_id}"
    visitor.post(f"{path}/turns", text=EVERYTHING)
    *_, ended = visitor.entries(f"{path}/events", until="turn.ended")
    assert ended["state"] == "completed", ended
    # The journal tells the end before it is written down.
    while visitor.get(path)["turn_id"]:
        time.sleep(0.1)
    url: str = visitor.post(f"{path}/share")["url"]
    yield Talked(visitor, session_id, "/shared/" + url.rpartition("/")[2])
    visitor.http.close()


def pages_of(talked: Talked) -> dict[str, str]:
    files = f"/ui/sessions/{talked.session_id}/files"
    return {
        "home": "/",
        "nothing found": "/?ref=examples/skills/helo",
        "skill": HELLO_PAGE,
        "skill with findings": odd(RISKY),
        "blocked skill": odd(BLOCKED),
        "hostile skill": odd(HOSTILE),
        "source": f"{odd(RISKY)}?file=scripts/run.sh",
        "repository": f"/local/{LABEL}",
        "dashboard": "/dashboard",
        "settings": "/settings",
        "docs": "/docs",
        "lost": "/nothing",
        "chat": f"{HELLO_PAGE}?session={talked.session_id}",
        "share": f"/ui/sessions/{talked.session_id}/share",
        "files": files,
        "file": f"{files}/shown?path=out/note.md",
        "shared": talked.shared,
    }


def findings(page: Page, where: str) -> list[str]:
    """Of axe, with what is folded open; and whether it is wider than the screen."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = [f"{where}: {line}" for line in accessibility_findings(page)]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append(f"{where}: it scrolls sideways")
    return found


@pytest.mark.parametrize(("theme", "width"), LOOKS)
class TestEveryPage:
    def test_anybody_can_use_it(self, meet: Meet, talked: Talked, theme: str, width: int) -> None:
        person = meet(theme=theme, width=width, visitor=talked.visitor)
        person.watch.expect("status of 404")

        found = [
            line
            for name, path in pages_of(talked).items()
            for line in findings(person.go(path), name)
        ]

        assert not found, "\n".join(found)

    def test_and_so_they_can_while_it_is_asked_and_files_are_open(
        self, meet: Meet, talked: Talked, theme: str, width: int
    ) -> None:
        person = meet(theme=theme, width=width, visitor=talked.visitor)
        page = person.chat()
        say(page, '[[tool:terminal {"command": "echo 1 > a.py"}]] [[dangerous:rm -rf ./old]]')
        expect(page.locator(".approval.asking")).to_be_visible(timeout=ANSWER_MS)
        expect(page.locator("#files-count")).to_have_text("1")
        found = findings(page, "asking")

        if not page.locator("#workspace").is_visible():
            page.locator("#files-open").click()
        found += findings(page, "files")
        page.locator("#workspace").get_by_role("link", name="a.py").click()
        expect(page.locator("#file-name")).to_be_focused()
        found += findings(page, "file")

        assert not found, "\n".join(found)


class TestWithoutScripts:
    def test_what_does_not_move_is_there_to_read(self, meet: Meet, talked: Talked) -> None:
        person = meet(visitor=talked.visitor, scripts=False)
        pages = pages_of(talked)

        page = person.go(pages["chat"])
        expect(page.locator(".words").last).to_contain_text("Some code")
        page.locator(".tool summary").first.click()
        expect(page.locator(".tool").first).to_contain_text("note.md")
        page.get_by_role("button", name="Files").click()
        page.get_by_role("link", name="note.md").click()

        expect(page.locator("#file .prose")).to_have_text("Note")


class TestShared:
    def test_it_reads_like_the_chat_and_runs_no_script(self, meet: Meet, talked: Talked) -> None:
        page = meet().go(talked.shared)

        expect(page.locator(".words").last).to_contain_text("Some code")
        expect(page.locator(".tool")).to_have_count(2)
        expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
        expect(page.locator(".receipt")).to_contain_text("sha256:")
        assert page.locator("script, form, input, button:visible, #transcript").count() == 0
        assert page.evaluate("document.scripts.length") == 0

"""From the start page to a talking skill and back again, as a person goes."""

from browser_kit.visiting import LAUNCHED_MS, Meet, answered, say, speaking, transcript
from playwright.sync_api import expect

ASKED = (
    "[[reasoning:I look first.]] [[pre:I look at the files.]] [[rate:30]] "
    "[[dangerous:rm -rf ./old]] [[tokens:90]]"
)


class TestWholeWay:
    def test_a_visitor_finds_a_skill_talks_leaves_and_comes_back(self, meet: Meet) -> None:
        page = meet().go("/")
        page.get_by_label("A skill: a link or a name").fill("examples/skills/hello")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="hello", level=1)).to_be_visible()

        page.get_by_role("button", name="Try hello").click()
        expect(page.get_by_label("Your message")).to_be_focused(timeout=LAUNCHED_MS)
        say(page, "Hello, are you there?")
        answered(page)
        expect(page.locator(".typed")).to_have_text("Hello, are you there?")
        expect(page.locator(".tool.done")).not_to_have_count(0)
        expect(page.locator(".words").last).to_contain_text("Skill Harbour")

        say(page, ASKED)
        page.get_by_role("button", name="Allow once").click()
        expect(page.locator(".turn:last-child .reasoning").first).to_be_visible()
        speaking(page)
        page.reload()
        page.get_by_role("button", name="Stop").click()
        answered(page, "stopped")
        shown = transcript(page)

        page.get_by_role("link", name="Dashboard").click()
        page.get_by_role("link", name="Hello, are you there?", exact=True).click()
        expect(page.get_by_label("Your message")).to_be_focused()
        assert transcript(page) == shown
        say(page, "[[say:Here again.]]")
        answered(page)

        page.get_by_role("link", name="Settings").click()
        expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()

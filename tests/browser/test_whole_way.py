"""From the start page to a talking skill, as a person goes."""

from browser_kit.visiting import LAUNCHED_MS, Person, answered, say
from playwright.sync_api import expect


class TestFirstVisit:
    def test_from_the_start_page_to_an_answer(self, person: Person) -> None:
        page = person.go("/")
        page.get_by_label("A skill: a link or a name").fill("examples/skills/hello")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="hello", level=1)).to_be_visible()

        page.get_by_role("button", name="Try hello").click()
        expect(page.get_by_label("Your message")).to_be_focused(timeout=LAUNCHED_MS)
        say(page, "Hello, are you there?")

        answered(page)
        expect(page.locator(".turn .said")).to_have_text("Hello, are you there?")
        expect(page.locator(".turn .tool.done")).not_to_have_count(0)
        expect(page.locator(".turn .words").last).to_contain_text("Skill Harbour")

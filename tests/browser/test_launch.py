"""A launch as it is watched: by one tab or two, to its end or until it is cancelled."""

import re

from browser_kit.oddities import RISKY, odd
from browser_kit.visiting import HELLO_PAGE, LAUNCHED_MS, Meet, Person
from playwright.sync_api import expect

COUNT = "/local/examples/word-count"


class TestLaunch:
    def test_another_tab_watches_the_same_launch(self, person: Person) -> None:
        page = person.go(HELLO_PAGE)
        page.get_by_role("button", name="Try hello").click(no_wait_after=True)
        page.wait_for_url(re.compile(r"\?(launch|session)="))

        other = person.go(HELLO_PAGE, person.context.new_page())

        # A tab that is not looked at keeps no stream.
        page.bring_to_front()
        expect(page.get_by_label("Your message")).to_be_visible(timeout=LAUNCHED_MS)
        other.bring_to_front()
        going_on = other.get_by_label("Your message").or_(other.get_by_text("Try hello"))
        expect(going_on.first).to_be_visible(timeout=LAUNCHED_MS)
        assert len(person.visitor.get("/api/trials")["trials"]) == 1
        assert len(person.visitor.get("/api/sessions")["sessions"]) == 1

    def test_an_installed_skill_opens_at_once(self, person: Person) -> None:
        person.new_session()
        page = person.go(HELLO_PAGE)

        page.get_by_role("button", name="Try hello").click()

        expect(page.get_by_label("Your message")).to_be_focused()
        assert "session=" in page.url

    def test_a_launch_is_cancelled_and_tried_again(self, person: Person) -> None:
        page = person.go(odd(RISKY))
        page.get_by_label("I have looked at the report").check()
        page.get_by_role("button", name=f"Try {RISKY}").click(no_wait_after=True)
        page.get_by_role("button", name="Cancel").click()

        expect(page.get_by_role("heading", name="The launch was cancelled")).to_be_visible(
            timeout=LAUNCHED_MS
        )
        page.get_by_role("button", name="Try again").click()

        expect(page.get_by_label("Your message")).to_be_visible(timeout=LAUNCHED_MS)

    def test_the_phases_of_the_path_are_told_with_their_times(self, meet: Meet) -> None:
        person = meet(scripts=False)
        person.visitor.launched("examples/skills/hello")
        page = person.go(COUNT)
        page.get_by_role("button", name="Try word-count").click()

        expect(page.get_by_role("button", name="Open the chat")).to_be_visible(timeout=LAUNCHED_MS)
        phases = page.locator(".phases > li.done")
        expect(phases).not_to_have_count(0)
        for phase in phases.all():
            expect(phase.locator(".when")).to_have_text(re.compile(r"\d+ ms|\d+\.\d s"))
        page.get_by_text("Log", exact=True).click()
        expect(page.locator("#launch-log pre")).to_contain_text("launch.ended install ready")

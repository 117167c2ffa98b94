"""A skill before it runs: all of it can be looked at, and nothing starts or acts."""

import re

import pytest
from browser_kit.oddities import ACTS, BLOCKED, HOSTILE, LABEL, RISKY, odd
from browser_kit.visiting import LAUNCHED_MS, Meet, Person
from playwright.sync_api import Page, expect


def launches(person: Person) -> int:
    return len(person.visitor.get("/api/trials")["trials"])


def has_acted(page: Page) -> bool:
    return bool(page.evaluate("'hit' in document.documentElement.dataset"))


class TestReport:
    def test_a_finding_leads_to_its_line(self, person: Person) -> None:
        page = person.go(odd(RISKY))

        page.locator(".report").get_by_role("link", name="scripts/run.sh:3").click()

        line = page.locator("#L3")
        expect(line).to_have_class(re.compile("found danger"))
        expect(line).to_contain_text("curl -s")
        expect(line).to_be_in_viewport()
        expect(page.locator("#viewer")).to_be_focused()

    def test_what_needs_a_look_needs_its_own_tick(self, person: Person) -> None:
        page = person.go(odd(RISKY))

        page.get_by_role("button", name=f"Try {RISKY}").click()

        assert "launch=" not in page.url
        assert launches(person) == 0
        page.get_by_label("I have looked at the report").check()
        page.get_by_role("button", name=f"Try {RISKY}").click()
        expect(page.get_by_label("Your message")).to_be_focused(timeout=LAUNCHED_MS)
        assert launches(person) == 1

    def test_what_is_blocked_has_no_button_and_says_why(self, person: Person) -> None:
        page = person.go(odd(BLOCKED))

        expect(page.get_by_text("This skill is blocked here.")).to_be_visible()
        expect(page.locator(".launch-card").get_by_role("link", name="door.sh:2")).to_be_visible()
        expect(page.get_by_role("button", name=f"Try {BLOCKED}")).to_have_count(0)


class TestHostile:
    @pytest.mark.parametrize("is_clicked", [True, False])
    def test_words_and_file_names_are_words(self, meet: Meet, *, is_clicked: bool) -> None:
        person = meet()
        page = person.go(odd(HOSTILE))
        names = [link.get_attribute("data-file") for link in page.locator(".tree a").all()]

        for name in names:
            if is_clicked:
                page.locator(".tree a").nth(names.index(name)).click()
            else:
                page.goto(page.locator(".tree a").nth(names.index(name)).evaluate("a => a.href"))
            expect(page.locator("#viewer-name")).to_have_text(name or "")
            assert not has_acted(page)

        assert len(names) == 3
        assert page.locator("main :is(script, img[src=x], svg)").count() == 0
        assert page.locator("a[href^='javascript:']").count() == 0
        person.go(f"/local/{LABEL}")
        assert not has_acted(page)

    def test_the_markers_would_be_seen(self, person: Person) -> None:
        page = person.go(odd(HOSTILE))

        page.evaluate(ACTS)

        assert has_acted(page)


class TestWithoutScripts:
    def test_everything_that_does_not_move_is_there(self, meet: Meet) -> None:
        person = meet(scripts=False)
        page = person.go(odd(RISKY))

        page.locator(".tree").get_by_role("link", name="run.sh").click()
        expect(page.locator("#viewer-name")).to_have_text("scripts/run.sh")

        page.get_by_label("I have looked at the report").check()
        page.get_by_role("button", name=f"Try {RISKY}").click()
        expect(page.get_by_role("button", name="Open the chat")).to_be_visible(timeout=LAUNCHED_MS)
        page.get_by_role("button", name="Open the chat").click()
        expect(page.get_by_label("Your message")).to_be_visible()


class TestKeyboard:
    def test_the_theme_goes_round_and_stays(self, meet: Meet) -> None:
        person = meet(theme="dark")
        page = person.go("/")
        toggle = page.get_by_role("button", name="Theme")
        paper = "getComputedStyle(document.documentElement).backgroundColor"
        dark = page.evaluate(paper)

        toggle.press("Enter")
        light = page.evaluate(paper)
        page.reload()
        kept = page.evaluate(paper)
        toggle.press("Enter")
        toggle.press("Enter")

        assert light != dark
        assert kept == light
        assert page.evaluate(paper) == dark
        expect(toggle).to_have_text(re.compile("by system"))

    def test_a_skill_is_found_and_picked_by_keyboard(self, person: Person) -> None:
        page = person.go(f"/local/{LABEL}")

        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.get_by_label("Search in these skills").press_sequentially("fetches")
        expect(page.locator("#skills > li:visible")).to_have_count(1)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")

        expect(page.get_by_role("heading", name=RISKY, level=1)).to_be_visible()

    def test_nothing_found_says_so(self, person: Person) -> None:
        page = person.go(f"/local/{LABEL}")

        page.get_by_label("Search in these skills").press_sequentially("zebra")

        expect(page.get_by_text("No skill here matches that.")).to_be_visible()


class TestBadge:
    def test_it_is_an_image(self, person: Person) -> None:
        page = person.go("/local/examples/hello")

        width = page.locator("img[src^='/badge/']").evaluate("img => img.naturalWidth")

        assert width > 100

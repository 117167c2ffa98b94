"""A page that is hidden, cut off, or one of many: it comes back by number and misses nothing."""

import re
import time

from browser_kit.visiting import Meet, Person, answered, say, speaking, transcript
from local_platform.instance import Instance
from playwright.sync_api import Page, Request, expect

WORDS = 120
CONNECTED_S = 30
LONG = f"[[rate:20]] [[tokens:{WORDS}]]"


def hide(page: Page, *, is_hidden: bool) -> None:
    """As when another tab is looked at: headless tabs are all in front."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


def connected(page: Page) -> None:
    """Wait for the page's stream. By questions from outside: the page's policy forbids the `eval`
    that Playwright's own waiting is made of.
    """
    deadline = time.monotonic() + CONNECTED_S
    while not page.evaluate("Boolean(document.querySelector('#stream')._htmx?.sse)"):
        assert time.monotonic() < deadline, "the page opens no stream"
        page.wait_for_timeout(50)


class TestComingBack:
    def test_a_reload_in_mid_answer_and_a_second_device_show_the_same(
        self, person: Person, meet: Meet
    ) -> None:
        session = person.new_session()
        page = person.open_chat(session)
        say(page, LONG)
        speaking(page)

        page.reload()
        other = meet(theme="light", width=360, visitor=person.visitor)
        other.open_chat(session)
        answered(page)
        answered(other.page)

        assert len(page.locator(".words").inner_text().split()) >= WORDS
        shown = transcript(page)
        assert shown == transcript(other.page)
        page.reload()
        assert transcript(page) == shown

    def test_a_hidden_tab_keeps_no_stream_and_comes_back_by_number(self, person: Person) -> None:
        page = person.chat()
        asked: list[Request] = []
        ended: list[Request] = []
        page.on("request", lambda one: asked.append(one) if "/events" in one.url else None)
        page.on("requestfinished", lambda one: ended.append(one) if "/events" in one.url else None)
        page.on("requestfailed", lambda one: ended.append(one) if "/events" in one.url else None)
        say(page, LONG)
        speaking(page)

        hide(page, is_hidden=True)
        expect(page.locator(".end.running")).to_be_visible()
        page.wait_for_timeout(1000)
        silent = transcript(page)
        page.wait_for_timeout(1000)
        assert transcript(page) == silent
        assert len(ended) == 1
        hide(page, is_hidden=False)
        answered(page)

        assert re.fullmatch(r"[1-9]\d*\.\d+", asked[-1].headers["last-event-id"])
        assert len(page.locator(".words").inner_text().split()) >= WORDS
        shown = transcript(page)
        page.reload()
        assert transcript(page) == shown

    def test_six_tabs_of_one_browser_work_at_once(self, person: Person) -> None:
        session = person.new_session()
        tabs = [person.page, *(person.context.new_page() for _ in range(5))]
        for tab in tabs:
            person.open_chat(session, tab)
            connected(tab)
            hide(tab, is_hidden=True)

        for number, tab in enumerate(tabs):
            hide(tab, is_hidden=False)
            say(tab, f"[[say:from tab {number}]]")
            answered(tab)
            hide(tab, is_hidden=True)
        for tab in tabs:
            hide(tab, is_hidden=False)
            expect(tab.locator(".turn")).to_have_count(len(tabs))
            answered(tab)
            hide(tab, is_hidden=True)

        assert len({transcript(tab) for tab in tabs}) == 1


class TestKilledGateway:
    def test_the_page_goes_on_by_itself_and_nothing_is_missing(
        self, person: Person, platform: Instance
    ) -> None:
        page = person.chat()
        person.watch.expect("net::ERR_", "htmx:sse:error", "Failed to fetch")
        say(page, LONG)
        speaking(page)

        platform.kill("gateway")
        expect(page.locator("#lost")).to_be_visible()
        page.get_by_label("Your message").fill("written meanwhile")
        expect(page.locator("#lost")).to_be_hidden(timeout=30_000)
        answered(page)

        words = page.locator(".words").inner_text().split()
        assert len(words) >= WORDS
        expect(page.get_by_label("Your message")).to_have_value("written meanwhile")
        shown = transcript(page)
        page.reload()
        assert transcript(page) == shown

    def test_a_message_that_could_not_be_sent_says_so_and_stays(
        self, person: Person, platform: Instance
    ) -> None:
        page = person.chat()
        person.watch.expect("net::ERR_", "Failed to fetch")
        page.route("**/turns", lambda route: route.abort("connectionrefused"))

        say(page, "[[say:there]]")
        expect(page.locator("#composer-problem")).to_contain_text("Not sent")
        expect(page.get_by_label("Your message")).to_have_value("[[say:there]]")
        page.unroute("**/turns")
        page.get_by_label("Your message").press("Enter")

        answered(page)
        expect(page.locator("#composer-problem")).to_be_empty()


class TestSleep:
    def test_the_page_says_that_the_sandbox_sleeps_and_the_next_message_wakes_it(
        self, person: Person
    ) -> None:
        page = person.chat()
        connected(page)

        person.visitor.http.post("/api/sandbox/stop").raise_for_status()
        expect(page.locator("#asleep")).to_contain_text("The next message wakes it")
        page.get_by_role("button", name="Files", exact=True).click()
        expect(page.locator("#workspace")).to_contain_text("sleeps")
        say(page, "[[say:awake]]")

        answered(page)
        expect(page.locator("#asleep")).to_be_hidden()


class TestGone:
    def test_a_conversation_that_was_deleted_elsewhere_is_said_and_not_asked_for_again(
        self, person: Person
    ) -> None:
        session = person.new_session()
        page = person.open_chat(session)
        person.watch.expect("404", "htmx:sse:error")
        connected(page)
        hide(page, is_hidden=True)

        person.visitor.http.delete(f"/api/sessions/{session}").raise_for_status()
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url) if "/events" in one.url else None)
        hide(page, is_hidden=False)

        expect(page.locator("#lost")).to_contain_text("no longer there")
        page.wait_for_timeout(2500)
        assert len(asked) == 1

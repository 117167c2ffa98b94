"""The conversation as it happens: what is shown, what can be pressed, and by whom."""

import json
import re
from collections.abc import Callable

import pytest
from browser_kit.visiting import ANSWER_MS, Meet, Person, answered, say, speaking, transcript
from playwright.sync_api import Page, expect

WATCH = """
const deep = { subtree: true, childList: true, characterData: true };
window.watched = { touched: [], said: [], frames: 0, longest: 0 };
const followed = new WeakSet();
new MutationObserver((changes) => {
  for (const { target } of changes) {
    const element = target.nodeType === 1 ? target : target.parentElement;
    const block = element?.closest(".block");
    if (block && followed.has(block)) watched.touched.push(block.id);
  }
  // A block that others follow is finished; the one before the last may have just become so.
  document.querySelectorAll(".block:nth-last-child(n + 3)").forEach((one) => followed.add(one));
}).observe(document.querySelector("#transcript"), deep);
new MutationObserver(() => {
  const said = document.querySelector("#status").textContent.trim();
  if (said && watched.said.at(-1) !== said) watched.said.push(said);
}).observe(document.querySelector("#chat"), deep);
let last = performance.now();
const frame = (now) => {
  watched.frames += 1;
  watched.longest = Math.max(watched.longest, now - last);
  last = now;
  requestAnimationFrame(frame);
};
requestAnimationFrame(frame);
"""
LONG = "[[rate:25]] [[tokens:200]]"


def shape(page: Page) -> list[str]:
    """The parts of the last answer, in their order."""
    kinds = page.locator(".turn:last-child .answer > *").evaluate_all(
        "(parts) => parts.map((part) => part.classList[0])"
    )
    return [str(kind) for kind in kinds]


class TestAnswer:
    def test_every_part_stands_where_it_belongs(self, person: Person) -> None:
        page = person.chat()
        two = [
            {"name": "terminal", "args": {"command": "echo first"}},
            {"name": "read_file", "args": {"path": "missing.txt"}},
        ]

        say(
            page,
            f"[[reasoning:I look.]] [[pre:Looking.]] [[tools:{json.dumps(two)}]] [[say:Done.]]",
        )
        answered(page)

        kinds = [kind for kind in shape(page) if kind != "reasoning"]
        assert kinds == ["words", "tool", "tool", "words"]
        done, failed = page.locator(".tool.done"), page.locator(".tool.failed")
        expect(done).to_contain_text(re.compile(r"\d ms|\d s"))
        done.locator("summary").press("Enter")
        expect(done).to_contain_text("echo first")
        expect(failed).to_contain_text("failed")
        expect(page.locator(".reasoning").first).not_to_have_attribute("open", "")
        page.locator(".reasoning summary").first.press("Enter")
        expect(page.locator(".thoughts").first).to_contain_text("I look.")
        expect(page.locator(".turn .end")).to_contain_text("tokens")

    def test_what_was_opened_stays_open_while_it_goes_on(self, person: Person) -> None:
        page = person.chat()
        slow = json.dumps({"command": "echo one; sleep 2; echo two"})
        say(page, f"[[tool:terminal {slow}]] [[say:ok]]")
        running = page.locator(".tool.running")
        expect(running).to_be_visible()

        running.locator("summary").click()
        answered(page)

        expect(page.locator(".tool.done")).to_have_attribute("open", "")
        expect(page.locator(".tool.done")).to_contain_text("two")

    @pytest.mark.parametrize(
        ("marker", "code", "link"),
        [
            ("[[error:401]]", "provider_auth", "/settings"),
            ("[[error:402]]", "provider_credit", "/settings"),
        ],
    )
    def test_an_error_says_why_and_what_to_do(
        self, person: Person, marker: str, code: str, link: str
    ) -> None:
        page = person.chat()

        say(page, marker)
        answered(page, "failed")

        end = page.locator(".turn .end")
        expect(end).to_contain_text(code)
        expect(end.get_by_role("link")).to_have_count(1)
        expect(end.get_by_role("link")).to_have_attribute("href", re.compile(link))

    def test_words_of_a_model_cannot_act(self, person: Person) -> None:
        page = person.chat()
        hostile = (
            "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) "
            "![y](https://e.example/y.png) <hx-partial hx-target='#composer'>gone</hx-partial>"
        )

        say(page, f"[[say:{hostile}]]")
        answered(page)

        expect(page.locator(".words")).to_contain_text("<script>alert(1)</script>")
        assert page.locator("#transcript :is(script, img, hx-partial)").count() == 0
        assert page.locator("#transcript a[href^=javascript]").count() == 0
        expect(page.get_by_label("Your message")).to_be_visible()


class TestLongAnswer:
    def test_finished_blocks_are_left_alone_and_a_screen_reader_is_not_flooded(
        self, person: Person, record_property: Callable[[str, object], None]
    ) -> None:
        session = person.new_session()
        page = person.open_chat(session)
        block = (
            "Some **bold** words and `code` in a paragraph that wraps around.\n\n- one\n- two\n\n"
            "```python\ndef f(x):\n    return x + 1\n```\n\n"
        )
        text = block * (40_000 // len(block))
        page.evaluate(WATCH)

        # Typing that much takes a browser seconds; it is the answer that is watched.
        said = f"[[rate:100]] [[chunk:20]] [[say:{text}]]"
        person.visitor.post(f"/api/sessions/{session}/turns", text=said)
        answered(page)

        seen = page.evaluate("watched")
        told = f"{seen['frames']} frames, the longest {seen['longest']:.0f} ms"
        record_property("summary", f"an answer of 40 kB: {told}")
        assert page.locator(".block").count() >= text.count("\n\n")
        assert seen["touched"] == []
        assert seen["said"] == ["The agent is answering.", "The answer is complete."]


class TestComposer:
    def test_enter_sends_and_shift_enter_does_not(self, person: Person) -> None:
        page = person.chat()
        field = page.get_by_label("Your message")

        field.type("[[say:hi]] one")
        field.press("Shift+Enter")
        field.type("two")
        expect(page.locator(".turn")).to_have_count(0)
        # An input method that composes ends a word with Enter, too.
        field.dispatch_event(
            "keydown", {"key": "Enter", "isComposing": True, "bubbles": True, "cancelable": True}
        )
        page.wait_for_timeout(200)
        expect(page.locator(".turn")).to_have_count(0)
        field.press("Enter")

        expect(page.locator(".typed")).to_have_text("[[say:hi]] one\ntwo", use_inner_text=True)
        expect(field).to_have_value("")
        answered(page)

    def test_one_writes_on_while_the_agent_speaks(self, person: Person) -> None:
        page = person.chat()
        field = page.get_by_label("Your message")
        say(page, LONG)
        speaking(page)

        field.type("and then")
        page.get_by_role("button", name="Stop").wait_for()
        page.keyboard.press("Escape")
        answered(page, "stopped")

        expect(field).to_be_focused()
        expect(field).to_have_value("and then")


class TestStop:
    def test_it_keeps_what_was_said_and_gives_the_focus_back(self, person: Person) -> None:
        page = person.chat()
        say(page, LONG)
        speaking(page)

        page.get_by_role("button", name="Stop").press("Enter")
        answered(page, "stopped")
        kept = page.locator(".words").inner_text()

        assert len(kept.split()) > 1
        expect(page.get_by_label("Your message")).to_be_focused()
        page.reload()
        assert page.locator(".words").inner_text() == kept


class TestApproval:
    def test_it_shows_what_would_run_and_goes_on_from_the_composer(self, person: Person) -> None:
        page = person.chat()
        say(page, "[[dangerous:rm -rf ./nothing-here]] [[say:ok]]")
        asks = page.get_by_role("region", name="The agent asks")
        expect(asks).to_contain_text("rm -rf ./nothing-here", timeout=ANSWER_MS)
        expect(page.get_by_role("status").filter(has_text="asks")).to_have_count(1)

        page.get_by_role("button", name="Allow once").press("Enter")

        expect(page.get_by_label("Your message")).to_be_focused()
        expect(asks).to_contain_text("You allowed it once.")
        answered(page)
        expect(page.get_by_label("Your message")).to_be_focused()

    def test_another_device_sees_the_question_and_the_answer(
        self, person: Person, meet: Meet
    ) -> None:
        session = person.new_session()
        page = person.open_chat(session)
        other = meet(theme="light", width=360, visitor=person.visitor)
        other.open_chat(session)
        say(page, "[[dangerous:rm -rf ./nothing-here]] [[say:ok]]")

        other.page.get_by_role("button", name="Deny").click(timeout=ANSWER_MS)

        denied = page.get_by_role("region", name="The agent asks")
        expect(denied).to_contain_text("You denied it; it was not run.")
        answered(page)
        answered(other.page)
        assert transcript(page) == transcript(other.page)

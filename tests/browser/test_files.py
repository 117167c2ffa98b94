"""The workspace beside the conversation: what the agent writes, and what a person brings."""

import json
from pathlib import Path

from browser_kit.visiting import Meet, Person, answered, say
from playwright.sync_api import expect

DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
HOSTILE = "<img src=x onerror=alert(1)>'&\"#?.txt"


def shell(command: str) -> str:
    return f"[[tool:terminal {json.dumps({'command': command})}]]"


class TestPanel:
    def test_it_opens_at_the_first_file_and_follows_the_tools(self, person: Person) -> None:
        page = person.chat()
        panel = page.get_by_role("complementary", name="Files")
        expect(panel).to_be_hidden()

        say(page, shell("mkdir -p out && echo '# Found' > out/note.md") + " [[say:ok]]")
        expect(panel.get_by_role("link", name="note.md")).to_be_visible()
        answered(page)
        say(page, shell("echo 'x = 1' > calc.py") + " [[say:ok]]")

        expect(panel.get_by_role("link", name="calc.py")).to_be_visible()
        answered(page)
        expect(page.get_by_label("Your message")).to_be_focused()

    def test_a_file_is_read_by_keyboard_and_the_focus_comes_back(self, person: Person) -> None:
        page = person.chat()
        say(page, shell("echo '# Found' > note.md; head -c 300 /dev/urandom > raw.bin"))
        answered(page)

        note = page.get_by_role("link", name="note.md")
        note.press("Enter")
        expect(page.locator("#file-name")).to_be_focused()
        expect(page.locator("#file .prose")).to_have_text("Found")
        page.get_by_role("link", name="All files").press("Enter")
        expect(note).to_be_focused()
        page.get_by_role("link", name="raw.bin").press("Enter")

        expect(page.locator("#file")).to_contain_text("Neither a text nor an image")

    def test_an_open_file_is_shown_anew_when_a_tool_has_changed_it(self, person: Person) -> None:
        page = person.chat()
        say(page, shell("echo one > n.txt"))
        answered(page)
        page.get_by_role("link", name="n.txt").click()
        expect(page.locator("#file .source")).to_have_text("one")

        say(page, shell("echo two >> n.txt"))

        expect(page.locator("#file .source li")).to_have_text(["one", "two"])

    def test_files_are_taken_along_one_by_one_and_as_a_zip(self, person: Person) -> None:
        page = person.chat()
        say(page, shell("echo one > n.txt"))
        answered(page)

        with page.expect_download() as zipped:
            page.get_by_role("link", name="Zip of all").click()
        page.get_by_role("link", name="n.txt").click()
        with page.expect_download() as single:
            page.get_by_role("link", name="Download").click()

        assert zipped.value.suggested_filename.startswith("ses_")
        assert single.value.suggested_filename == "n.txt"
        assert Path(single.value.path()).read_text() == "one\n"

    def test_on_a_phone_it_lies_over_the_conversation_and_goes_away(self, meet: Meet) -> None:
        person = meet(width=360)
        page = person.chat()
        say(page, shell("echo one > n.txt"))
        answered(page)
        panel = page.get_by_role("complementary", name="Files")
        expect(page.get_by_role("button", name="Files 1")).to_be_visible()
        expect(panel).to_be_hidden()

        page.get_by_role("button", name="Files 1").click()
        expect(page.get_by_role("heading", name="Files")).to_be_focused()
        page.get_by_role("link", name="n.txt").click()
        expect(panel).to_contain_text("one")
        page.keyboard.press("Escape")

        expect(panel).to_be_hidden()
        expect(page.get_by_role("button", name="Files 1")).to_be_focused()

    def test_a_hostile_name_is_a_name(self, person: Person) -> None:
        page = person.chat()
        say(page, f"[[tool:write_file {json.dumps({'path': HOSTILE, 'content': '<b>hi</b>'})}]]")
        answered(page)

        link = page.locator("#workspace").get_by_role("link", name=HOSTILE)
        link.click()

        expect(page.locator("#file-name")).to_have_text(HOSTILE)
        expect(page.locator("#file .source")).to_have_text("<b>hi</b>")
        assert page.locator("#workspace img, #workspace b").count() == 0


class TestUploads:
    def test_a_picture_is_attached_and_shown_in_the_message(self, person: Person) -> None:
        page = person.chat()
        page.locator("#pick").set_input_files(
            {"name": "dot.png", "mimeType": "image/png", "buffer": DOT}
        )
        expect(page.locator("#attached")).to_contain_text("dot.png")
        expect(page.get_by_label("Your message")).to_be_focused()

        say(page, "[[say:Seen. ![the dot](dot.png)]]")
        answered(page)

        for picture in (page.locator(".said img"), page.locator(".words img")):
            expect(picture).to_have_js_property("naturalWidth", 1)
        expect(page.locator("#attached li")).to_have_count(0)

    def test_files_are_dropped_and_pasted(self, person: Person) -> None:
        page = person.chat()
        carry = """(name) => {
          const carried = new DataTransfer();
          carried.items.add(new File(["hello"], name, { type: "text/plain" }));
          return carried;
        }"""

        dropped = page.evaluate_handle(carry, "dropped.txt")
        page.dispatch_event("body", "drop", {"dataTransfer": dropped})
        expect(page.locator("#attached")).to_contain_text("dropped.txt")
        page.locator("#text").evaluate(
            f"(field) => field.dispatchEvent(new ClipboardEvent('paste', "
            f"{{clipboardData: ({carry})('p.txt'), bubbles: true, cancelable: true}}))"
        )
        expect(page.locator("#attached li")).to_have_count(2)
        page.get_by_role("button", name="Do not attach dropped.txt").click()

        expect(page.locator("#attached li")).to_have_count(1)
        expect(page.locator("#attached")).to_contain_text("p.txt")

    def test_what_is_too_large_is_refused_with_its_name(self, person: Person) -> None:
        page = person.chat()

        page.locator("#pick").set_input_files(
            {"name": "big.bin", "mimeType": "x/y", "buffer": b"0" * (4 * 1024 * 1024 + 1)}
        )

        expect(page.locator("#composer-problem")).to_have_text("big.bin is larger than 4 MB.")

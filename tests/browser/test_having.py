"""What a person has: the sandbox, conversations, usage, keys; and the way out."""

import re

from browser_kit.visiting import HELLO_PAGE, Meet, Person, answered, say
from playwright.sync_api import expect


class TestDashboard:
    def test_a_new_person_is_told_what_to_do(self, person: Person) -> None:
        page = person.go("/dashboard")

        expect(page.get_by_text("You have no sandbox yet.")).to_be_visible()
        expect(page.get_by_text("No conversation yet.")).to_be_visible()
        expect(page.get_by_text("No trial yet.")).to_be_visible()

    def test_the_sandbox_is_stopped_and_deleted_with_a_question(self, person: Person) -> None:
        person.new_session()
        page = person.go("/dashboard")
        card = page.locator("#sandbox-card")
        expect(card.locator(".chip").first).to_have_text("active")
        expect(card).to_contain_text("GiB memory")
        expect(card.get_by_role("link", name="hello")).to_be_visible()

        card.get_by_role("button", name="Stop it").click()
        expect(card).to_contain_text("asleep")

        card.get_by_role("button", name="Delete…").press("Enter")
        expect(card.get_by_text("with everything on its disk")).to_be_visible()
        card.get_by_role("button", name="No").click()
        expect(card.get_by_text("with everything on its disk")).to_be_hidden()
        expect(card.get_by_role("button", name="Delete…")).to_be_focused()
        card.get_by_role("button", name="Delete…").click()
        card.get_by_role("button", name="Delete the sandbox").click()
        expect(card.get_by_text("You have no sandbox yet.")).to_be_visible(timeout=30_000)

    def test_a_conversation_is_found_renamed_resumed_and_deleted(self, person: Person) -> None:
        say(person.chat(), "Where is the harbour?")
        answered(person.page)
        page = person.go("/dashboard?q=harbour")
        rows = page.locator("#session-rows > li")
        expect(rows).to_have_count(1)

        rows.get_by_text("More").click()
        rows.get_by_label("Title").fill("Ships")
        rows.get_by_role("button", name="Rename").click()
        expect(rows.get_by_role("link", name="Ships", exact=True)).to_be_visible()

        rows.get_by_role("link", name="Ships", exact=True).click()
        expect(page.locator(".turn .said")).to_have_text("Where is the harbour?")

        person.go("/dashboard")
        rows.get_by_text("More").click()
        rows.get_by_role("button", name="Delete…").click()
        rows.get_by_role("button", name="Delete it").click()
        expect(page.get_by_text("No conversation yet.")).to_be_visible()

    def test_a_trial_is_tried_again(self, person: Person) -> None:
        person.new_session()
        page = person.go("/dashboard")

        page.get_by_role("button", name="Try again hello").click()

        expect(page.get_by_label("Your message")).to_be_visible()
        assert page.url.partition("?")[0].endswith(HELLO_PAGE)

    def test_a_link_is_made_read_by_a_stranger_and_ended(self, meet: Meet) -> None:
        person = meet()
        session = person.new_session()
        say(person.open_chat(session), "Say hello")
        answered(person.page)
        page = person.go(f"/ui/sessions/{session}/share")
        page.get_by_role("button", name="Make a link").click()
        link = page.locator("#link").inner_text()

        stranger = meet()
        stranger.page.goto(link)
        expect(stranger.page.get_by_text("Say hello").first).to_be_visible()

        page.get_by_role("button", name="End all links…").click()
        page.get_by_role("button", name="End them").click()
        expect(page.get_by_text("None.")).to_be_visible()
        stranger.watch.expect("status of 4(04|10)")
        stranger.page.goto(link)
        expect(stranger.page.get_by_text("Say hello")).to_have_count(0)

    def test_a_limit_is_set_and_taken_away(self, person: Person) -> None:
        page = person.go("/dashboard")

        page.get_by_label("Your own limit of tokens a day").fill("5000")
        page.get_by_role("button", name="Set").click()
        expect(page.get_by_text("0 of 5,000 tokens today")).to_be_visible()
        page.get_by_label("Your own limit of tokens a day").fill("")
        page.get_by_role("button", name="Set").click()
        expect(page.get_by_text("without a limit")).to_be_visible()


class TestSettings:
    def test_a_provider_asks_for_what_it_needs(self, person: Person) -> None:
        page = person.go("/settings")
        expect(page.get_by_label("Base URL")).to_be_hidden()

        page.get_by_label("Provider", exact=True).select_option("custom")
        expect(page.get_by_label("Base URL")).to_be_visible()
        page.get_by_label("Provider", exact=True).select_option("openrouter")

        expect(page.get_by_label("Base URL")).to_be_hidden()
        expect(page.locator("#model")).to_have_value(re.compile("/"))

    def test_a_key_goes_in_and_never_comes_out(self, person: Person) -> None:
        page = person.go("/settings")
        page.get_by_label("Provider", exact=True).select_option("openrouter")
        page.get_by_label("Key", exact=False).first.fill("sk-or-a-secret-4321")
        page.get_by_role("button", name="Save", exact=True).click()

        expect(page.get_by_text("Saved.")).to_be_visible()
        assert "a-secret" not in page.content()
        expect(page.get_by_text("ends in 4321").first).to_be_visible()
        values = page.eval_on_selector_all("input[type=password]", "all => all.map(i => i.value)")
        assert set(values) == {""}

    def test_a_check_says_its_result_beside_the_key(self, person: Person) -> None:
        person.visitor.http.put("/api/keys/OPENAI_API_KEY", json={"value": "sk-not-a-key"})
        page = person.go("/settings")

        page.get_by_role("button", name="Check the key for OpenAI").click()

        expect(page.locator("#said-OPENAI_API_KEY .note")).to_be_visible(timeout=20_000)
        expect(page.get_by_role("button", name="Check the key for OpenAI")).to_be_focused()

    def test_models_are_picked_from_a_list(self, person: Person) -> None:
        page = person.go("/settings")
        page.locator("#model").fill("something")

        page.get_by_role("button", name="Show models").click()
        page.locator("#models-said").get_by_role("button", name="demo").click()

        expect(page.locator("#model")).to_have_value("demo")
        expect(page.locator("#model")).to_be_focused()

    def test_a_token_is_shown_once_and_revoked(self, person: Person) -> None:
        page = person.go("/settings")
        page.get_by_label("A new one for").fill("my laptop")
        page.get_by_role("button", name="Make a token").click()
        expect(page.get_by_text(re.compile("tsk_"))).to_be_visible()

        page.get_by_role("button", name="Back to the settings").click()
        page.get_by_role("button", name="Revoke my laptop").click()
        page.get_by_role("button", name="Revoke it my laptop").click()
        expect(page.get_by_text("The token is worth nothing")).to_be_visible()

    def test_everything_is_deleted_after_a_question(self, person: Person) -> None:
        person.new_session()
        page = person.go("/settings")
        page.get_by_role("button", name="Delete everything…").click()
        expect(
            page.get_by_text("your sandbox with its disk, and the 1 skill on it")
        ).to_be_visible()

        page.get_by_label("Type “delete everything”").fill("delete everything")
        page.get_by_role("button", name="Delete everything", exact=True).click()

        expect(page.get_by_role("heading", name="Everything is deleted")).to_be_visible(
            timeout=60_000
        )

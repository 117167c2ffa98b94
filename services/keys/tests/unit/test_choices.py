"""What an owner may choose as provider, model and base URL."""

from typing import TYPE_CHECKING

import pytest
from common.errors import InvalidError, NotFoundError
from keys.model.choice import Choice, checked_base_url, chosen

if TYPE_CHECKING:
    from conftest import World


class TestChosen:
    def test_a_known_provider_needs_no_base_url(self) -> None:
        assert chosen("openai", " gpt-5.1 ", None) == Choice("openai", "gpt-5.1")

    def test_any_endpoint_is_custom_with_its_base_url(self) -> None:
        choice = chosen("custom", "qwen3:8b", "http://127.0.0.1:11434/v1/")

        assert choice == Choice("custom", "qwen3:8b", "http://127.0.0.1:11434/v1")

    @pytest.mark.parametrize(
        ("provider", "model", "base_url"),
        [
            ("nobody", "m", None),
            ("", "m", None),
            ("openai", "", None),
            ("openai", "  ", None),
            ("openai", "a\nb", None),
            ("openai", "m", "https://evil.example/v1"),
            ("demo", "m", "https://evil.example/v1"),
            ("custom", "m", None),
            ("custom", "m", ""),
        ],
    )
    def test_what_cannot_work_is_refused(
        self, provider: str, model: str, base_url: str | None
    ) -> None:
        with pytest.raises(InvalidError):
            chosen(provider, model, base_url)


class TestBaseUrl:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("https://llm.example/v1", "https://llm.example/v1"),
            (" https://llm.example/v1/ ", "https://llm.example/v1"),
            ("https://llm.example/v1/chat/completions", "https://llm.example/v1"),
            ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
            ("HTTPS://LLM.example", "HTTPS://LLM.example"),
        ],
    )
    def test_it_is_kept_without_its_end(self, given: str, kept: str) -> None:
        assert checked_base_url(given) == kept

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "llm.example/v1",
                "ftp://llm.example",
                "file:///etc/passwd",
                "https://",
                "http:///x",
            ),
            *("https://user@llm.example/v1", "https://user:pw@llm.example/v1", "https://@x/v1"),
            *("https://llm.example/v1?key=x", "https://llm.example/v1?", "https://x/v1#a"),
            *("https://llm.example\\@evil.example", "https://a b/v1", "https://ex\tample/v1"),
            *("https://llm.example:99999/v1", "https://llm.example:x/v1", "https://[::1/v1"),
            "https://exämple.org/v1",
        ],
    )
    def test_what_is_no_plain_address_is_refused(self, url: str) -> None:
        with pytest.raises(InvalidError) as error:
            checked_base_url(url)

        assert "pw" not in error.value.detail


class TestChoices:
    async def test_the_platforms_default_stands_until_something_is_chosen(
        self, world: "World"
    ) -> None:
        owner = await world.owner()

        assert await world.choices.get(owner) == Choice("demo", "demo", version=0)

    async def test_each_choice_is_a_version(self, world: "World") -> None:
        owner = await world.owner()
        await world.choices.put(owner, provider="openai", model="gpt-5.1", base_url=None)
        await world.choices.put(owner, provider="kimi", model="k2", base_url=None)

        assert await world.choices.get(owner) == Choice("kimi", "k2", version=2)

    async def test_an_unknown_owner_is_refused(self, world: "World", stranger: str) -> None:
        with pytest.raises(NotFoundError):
            await world.choices.put(stranger, provider="openai", model="m", base_url=None)

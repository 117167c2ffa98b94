"""What a provider's answer to a key check means."""

import json

import pytest
from chat_proxy.relay.checks import auth_headers, credit_in, is_refused, provider_of
from common.contracts.relay import CreditLeft
from common.errors import InvalidError
from common.providers import PROVIDERS, KeyCheck
from pydantic import SecretStr

FOUR = CreditLeft(remaining=4.5, unit="USD")
NO_LIMIT = CreditLeft(remaining=None, unit="USD")


def check_of(name: str) -> KeyCheck:
    check = PROVIDERS[name].check
    assert check is not None
    return check


class TestTable:
    def test_every_check_names_the_page_it_was_taken_from(self) -> None:
        checks = [provider.check for provider in PROVIDERS.values() if provider.check]

        assert len(checks) == 7
        assert all(check.documented_at.startswith("https://") for check in checks)
        assert all(check.path.startswith("/") for check in checks)

    def test_a_key_belongs_to_one_provider(self) -> None:
        names = [provider.key_name for provider in PROVIDERS.values() if provider.key_name]

        assert [provider_of(name).key_name for name in names] == names
        with pytest.raises(InvalidError):
            provider_of("NOTION_API_KEY")

    def test_anthropic_is_asked_in_its_own_way(self) -> None:
        headers = auth_headers(check_of("anthropic"), SecretStr("k"))

        assert headers == {"x-api-key": "k", "anthropic-version": "2023-06-01"}
        assert auth_headers(check_of("openai"), SecretStr("k")) == {"Authorization": "Bearer k"}


class TestRefused:
    @pytest.mark.parametrize("name", [n for n, p in PROVIDERS.items() if p.check])
    @pytest.mark.parametrize("status", [401, 403])
    def test_no_provider_accepts_with_these(self, name: str, status: int) -> None:
        assert is_refused(check_of(name), status, b"")

    @pytest.mark.parametrize("status", [400, 402, 404, 429, 500, 503])
    def test_other_statuses_tell_nothing(self, status: int) -> None:
        assert not is_refused(check_of("openai"), status, b"API key not valid")

    def test_google_says_it_in_words(self) -> None:
        google = check_of("google")

        assert is_refused(google, 400, b'{"message": "API key not valid. Please pass ..."}')
        assert not is_refused(google, 400, b'{"message": "User location is not supported"}')


class TestCredit:
    @pytest.mark.parametrize(
        ("provider", "body", "left"),
        [
            (
                "openrouter",
                {"data": {"limit_remaining": 4.5}},
                FOUR,
            ),
            (
                "openrouter",
                {"data": {"limit_remaining": None}},
                NO_LIMIT,
            ),
            ("kimi", {"data": {"available_balance": 0}}, CreditLeft(remaining=0, unit="USD")),
            ("kimi", {"data": {"available_balance": None}}, None),
            ("openrouter", {"data": {}}, None),
            ("openrouter", {"data": {"limit_remaining": "much"}}, None),
            ("openrouter", {"data": {"limit_remaining": True}}, None),
            ("openrouter", {"data": []}, None),
            ("openrouter", [], None),
            ("openai", {"data": {"limit_remaining": 4.5}}, None),
        ],
    )
    def test_it_is_read_from_its_documented_place_only(
        self, provider: str, body: object, left: CreditLeft | None
    ) -> None:
        assert credit_in(json.dumps(body).encode(), check_of(provider).credit) == left

    def test_an_answer_that_is_no_json_tells_nothing(self) -> None:
        assert credit_in(b"<html>", check_of("openrouter").credit) is None

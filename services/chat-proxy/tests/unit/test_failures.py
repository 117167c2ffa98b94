"""The agent's error texts and what they mean."""

import pytest
from chat_proxy.model.failures import code_of, explain
from common.errors import ErrorCode


class TestCode:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("HTTP 401: Incorrect API key provided", ErrorCode.PROVIDER_AUTH),
            ("HTTP 403: You do not have access to this model.", ErrorCode.PROVIDER_AUTH),
            ("HTTP 402: Insufficient credits.", ErrorCode.PROVIDER_CREDIT),
            ("HTTP 429: insufficient_quota", ErrorCode.PROVIDER_CREDIT),
            ("HTTP 429: Rate limit reached", ErrorCode.PROVIDER_RATE_LIMIT),
            (
                "API call failed after 3 retries: HTTP 429: The limit of 5000 tokens a day is used"
                " up; it starts anew at midnight UTC.",
                ErrorCode.QUOTA_EXCEEDED,
            ),
            ("HTTP 404: The model does not exist", ErrorCode.PROVIDER_ERROR),
            ("HTTP 529: Overloaded", ErrorCode.PROVIDER_ERROR),
            ("Connection error.", ErrorCode.PROVIDER_ERROR),
            ("Context length exceeded (19 tokens).", ErrorCode.PROVIDER_ERROR),
            ("No LLM provider configured.", ErrorCode.PROVIDER_AUTH),
            ("agent init failed: something else", None),
        ],
    )
    def test_it_is_found_in_the_agents_words(self, text: str, code: ErrorCode | None) -> None:
        assert code_of(text) is code


class TestExplain:
    def test_an_unknown_text_is_the_agents_error(self) -> None:
        failure = explain("agent init failed: no such module")

        assert failure.code is ErrorCode.AGENT_ERROR
        assert failure.detail == "agent init failed: no such module"

    def test_a_broken_stream_is_explained_by_the_last_status(self) -> None:
        failure = explain("", "❌ API failed after 3 retries — HTTP 500: trouble")

        assert failure.code is ErrorCode.PROVIDER_ERROR
        assert failure.detail.endswith("HTTP 500: trouble")

    def test_a_long_text_is_cut(self) -> None:
        assert len(explain("x" * 5000).detail) <= 600

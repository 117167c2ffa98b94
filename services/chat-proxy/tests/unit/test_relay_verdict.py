"""What a provider's refusal means, by the shapes in which providers refuse."""

import json
from collections.abc import Mapping
from datetime import timedelta

import pytest
from chat_proxy.relay.access import Target
from chat_proxy.relay.verdict import Verdict, judge
from common.errors import ErrorCode
from common.providers import PROVIDERS
from common.testing.fakes import START

TARGET = Target(
    "own_1", "sbx_1", PROVIDERS["openrouter"], "acme/large", "https://openrouter.ai/api/v1"
)
OWN = Target("own_1", "sbx_1", PROVIDERS["custom"], "m", "https://user@llm.example:8443/v1")
NONE: Mapping[str, str] = {}


def judged(
    status: int, body: object, headers: Mapping[str, str] = NONE, target: Target = TARGET
) -> Verdict:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(target, status, headers, data, START)


def error(message: str, **more: str) -> dict[str, object]:
    return {"error": {"message": message, **more}}


class TestCode:
    @pytest.mark.parametrize(
        ("status", "body", "code"),
        [
            (401, error("Incorrect API key provided"), ErrorCode.PROVIDER_AUTH),
            (403, error("This key may not use the model"), ErrorCode.PROVIDER_AUTH),
            (400, [error("API key not valid. Pass a valid key.")], ErrorCode.PROVIDER_AUTH),
            (402, error("Insufficient credits"), ErrorCode.PROVIDER_CREDIT),
            (400, error("Your credit balance is too low"), ErrorCode.PROVIDER_CREDIT),
            (403, error("Key limit exceeded: out of credits"), ErrorCode.PROVIDER_CREDIT),
            (429, error("x", type="insufficient_quota"), ErrorCode.PROVIDER_CREDIT),
            (429, error("Rate limit reached"), ErrorCode.PROVIDER_RATE_LIMIT),
            (429, b"", ErrorCode.PROVIDER_RATE_LIMIT),
            (404, error("The model does not exist"), ErrorCode.PROVIDER_ERROR),
            (400, error("maximum context length is 8192"), ErrorCode.PROVIDER_ERROR),
            (500, error("billing service down"), ErrorCode.PROVIDER_ERROR),
            (529, {"type": "error", "error": {"type": "overloaded"}}, ErrorCode.PROVIDER_ERROR),
            (503, {"detail": "busy"}, ErrorCode.PROVIDER_ERROR),
        ],
    )
    def test_it_is_found_in_status_and_words(
        self, status: int, body: object, code: ErrorCode
    ) -> None:
        assert judged(status, body).failure.code is code


class TestWords:
    @pytest.mark.parametrize(
        ("status", "body", "told"),
        [
            (401, error("No."), "OpenRouter does not accept the key: No."),
            (503, {"detail": "busy"}, "OpenRouter answered with status 503: busy"),
            (500, {"message": "down"}, "OpenRouter answered with status 500: down"),
            (429, b"", "OpenRouter limits how often it is asked."),
            (
                404,
                error("No."),
                "OpenRouter answered with status 404 for the model acme/large: No.",
            ),
        ],
    )
    def test_they_are_the_providers_behind_ours(
        self, status: int, body: object, told: str
    ) -> None:
        assert judged(status, body).failure.detail == told

    def test_an_endpoint_of_the_owner_is_called_by_its_host(self) -> None:
        told = judged(500, b"", target=OWN).failure.detail

        assert told == "The endpoint at llm.example:8443 answered with status 500."

    def test_long_ones_are_cut(self) -> None:
        assert len(judged(500, error("x " * 5000)).failure.detail) < 400


class TestForTheAgent:
    @pytest.mark.parametrize("status", [400, 401, 402, 403, 429, 500, 502, 503, 529])
    def test_a_readable_refusal_is_passed_as_it_is(self, status: int) -> None:
        verdict = judged(status, error("Try later"))

        assert (verdict.status, verdict.body) == (status, None)

    @pytest.mark.parametrize(("status", "passed"), [(403, 424), (404, 424), (502, 502)])
    def test_an_unreadable_one_is_written_anew(self, status: int, passed: int) -> None:
        verdict = judged(status, b"<html>no</html>")

        assert verdict.status == passed
        assert verdict.body is not None
        assert json.loads(verdict.body)["error"]["message"] == verdict.failure.detail


class TestRetry:
    @pytest.mark.parametrize(
        ("value", "wait"),
        [
            ("20", timedelta(seconds=20)),
            ("1.5", timedelta(seconds=1.5)),
            ("Thu, 01 Jan 2026 12:05:00 GMT", timedelta(minutes=5)),
        ],
    )
    def test_both_forms_are_understood(self, value: str, wait: timedelta) -> None:
        failure = judged(429, error("x"), {"Retry-After": value}).failure

        assert failure.retry_at == START + wait

    @pytest.mark.parametrize("value", ["", "soon", "-5", "nan", "inf", "0", "1e99", "99999999"])
    def test_nonsense_is_none(self, value: str) -> None:
        assert judged(429, error("x"), {"Retry-After": value}).failure.retry_at is None

    @pytest.mark.parametrize(("wait", "status"), [("29", 429), ("31", 424)])
    def test_a_long_wait_is_not_for_the_agent(self, wait: str, status: int) -> None:
        assert judged(429, error("x"), {"Retry-After": wait}).status == status

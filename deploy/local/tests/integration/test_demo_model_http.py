"""The demo model over HTTP, as an OpenAI client sees it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp import web
from local_platform.demo_model.app import build_app
from local_platform.demo_model.settings import Settings
from pydantic import SecretStr


async def serve(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    runner = web.AppRunner(build_app(settings), access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield client
    await runner.cleanup()


@pytest.fixture
async def model() -> AsyncIterator[httpx.AsyncClient]:
    async for client in serve(Settings(record=True, chunks_per_second=0)):
        yield client


@pytest.fixture
async def locked_model() -> AsyncIterator[httpx.AsyncClient]:
    async for client in serve(Settings(api_key=SecretStr("k"))):
        yield client


def ask(prompt: str, **more: Any) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": "terminal"}}]
    messages = [{"role": "user", "content": prompt}]
    return {"model": "demo", "messages": messages, "tools": tools} | more


async def stream(model: httpx.AsyncClient, prompt: str) -> list[Any]:
    """Every event of a streamed answer; the closing one as its own word."""
    path = "/v1/chat/completions"
    async with model.stream("POST", path, json=ask(prompt, stream=True)) as response:
        response.raise_for_status()
        lines = [line.removeprefix("data: ") async for line in response.aiter_lines() if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def deltas(events: list[Any], part: str) -> list[Any]:
    choices = [choice for event in events[:-1] for choice in event.get("choices", [])]
    return [choice["delta"][part] for choice in choices if choice["delta"].get(part)]


class TestModels:
    async def test_the_one_model_says_that_it_is_none(self, model: httpx.AsyncClient) -> None:
        (listed,) = (await model.get("/v1/models")).json()["data"]

        assert listed["id"] == "demo"
        assert "no real model" in listed["name"]
        assert (await model.get("/v1/models/demo")).json() == listed
        assert (await model.get("/v1/models/other")).status_code == 404

    async def test_it_is_healthy(self, model: httpx.AsyncClient) -> None:
        assert (await model.get("/healthz")).status_code == 200
        assert (await model.get("/readyz")).status_code == 200

    async def test_a_key_is_asked_for_when_one_is_set(
        self, locked_model: httpx.AsyncClient
    ) -> None:
        assert (await locked_model.get("/v1/models")).status_code == 401
        headers = {"Authorization": "Bearer k"}
        assert (await locked_model.get("/v1/models", headers=headers)).status_code == 200


class TestStream:
    async def test_words_come_one_by_one_with_usage_and_an_end(
        self, model: httpx.AsyncClient
    ) -> None:
        events = await stream(model, "[[reasoning:I think]][[say:one two three]]")

        assert deltas(events, "reasoning_content") == ["I", " think"]
        assert deltas(events, "content") == ["one", " two", " three"]
        assert events[-3]["choices"][0]["finish_reason"] == "stop"
        assert events[-2]["usage"]["total_tokens"] > 0
        assert events[-1] == "[DONE]"

    async def test_a_tool_call_is_put_together_from_its_parts(
        self, model: httpx.AsyncClient
    ) -> None:
        command = "echo " + "long " * 30
        events = await stream(model, f'[[tool:terminal {{"command": "{command}"}}]]')

        calls = [call for part in deltas(events, "tool_calls") for call in part]
        text = "".join(call["function"]["arguments"] for call in calls)
        assert calls[0]["id"]
        assert calls[0]["function"]["name"] == "terminal"
        assert len(calls) > 2
        assert json.loads(text) == {"command": command}

    async def test_a_dropped_stream_ends_without_a_word(self, model: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            await stream(model, "[[error:drop]][[tokens:9]]")

    async def test_an_error_in_the_middle_is_an_event(self, model: httpx.AsyncClient) -> None:
        events = await stream(model, "[[error:midstream]][[tokens:9]]")

        assert "error" in events[-1]

    async def test_usage_is_left_out_on_demand(self, model: httpx.AsyncClient) -> None:
        events = await stream(model, "[[nousage]]")

        assert not any("usage" in event for event in events[:-1])


class TestWhole:
    async def test_an_answer_without_a_stream(self, model: httpx.AsyncClient) -> None:
        told = (await model.post("/v1/chat/completions", json=ask("[[say:hi]]"))).json()

        assert told["choices"][0]["message"] == {"role": "assistant", "content": "hi"}
        assert told["usage"]["prompt_tokens"] > 0

    async def test_a_refusal_has_the_providers_form(self, model: httpx.AsyncClient) -> None:
        refused = await model.post("/v1/chat/completions", json=ask("[[error:429]]"))

        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"

    async def test_an_answer_that_is_no_json(self, model: httpx.AsyncClient) -> None:
        told = await model.post("/v1/chat/completions", json=ask("[[error:notjson]]"))

        assert told.status_code == 200
        assert told.headers["Content-Type"].startswith("text/html")

    @pytest.mark.parametrize("body", ["nonsense", "[]", '{"model": "demo"}'])
    async def test_what_is_no_request_is_refused(
        self, model: httpx.AsyncClient, body: str
    ) -> None:
        assert (await model.post("/v1/chat/completions", content=body)).status_code == 400

    async def test_another_model_is_refused(self, model: httpx.AsyncClient) -> None:
        other = ask("hi", model="other")

        assert (await model.post("/v1/chat/completions", json=other)).status_code == 404


class TestHang:
    async def test_nothing_comes_until_the_caller_gives_up(self, model: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ReadTimeout):
            await model.post("/v1/chat/completions", json=ask("[[hang]]"), timeout=0.2)


class TestRecord:
    async def test_the_last_requests_are_kept_until_the_reset(
        self, model: httpx.AsyncClient
    ) -> None:
        await model.post("/v1/chat/completions", json=ask("hi"))

        assert (await model.get("/__log")).json() == [{"step": 0, "words": "hi"}]
        await model.post("/__reset")
        assert (await model.get("/__log")).json() == []

    async def test_nothing_is_kept_unless_asked_for(self, locked_model: httpx.AsyncClient) -> None:
        assert (await locked_model.get("/__log")).status_code == 404

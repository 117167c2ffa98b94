"""The HTTP side of the demo model."""

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local_platform.demo_model.conversation import read_conversation
from local_platform.demo_model.deciding import decide
from local_platform.demo_model.faults import MIDSTREAM, http_error
from local_platform.demo_model.reply import Pace, Refusal, Reply, openai_error
from local_platform.demo_model.scripted import Attempts
from local_platform.demo_model.settings import Settings
from local_platform.demo_model.wire import DONE, Envelope, counted, deltas, error_event

MODEL = "demo"
LABEL = "Demo model (scripted; no real model)"
CREATED = 1_700_000_000
LONGEST_WAIT_S = 86_400.0
SENT_BEFORE_BREAK = 3
RECORDED = 200
LARGEST_REQUEST = 64 * 1024 * 1024
NO_COMPLETION = Refusal(
    400, openai_error("The request is no chat completion.", "invalid_request_error", None)
)


class DemoModel:
    """The routes; `requests` holds the last ones when recording is on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._attempts = Attempts()
        self._pace = Pace(settings.chunks_per_second)
        self._requests: deque[dict[str, Any]] = deque(maxlen=RECORDED)

    def routes(self) -> list[web.RouteDef]:
        routes = [
            web.get("/healthz", self._health),
            web.get("/readyz", self._health),
            web.get("/v1/models", self._models),
            web.get("/v1/models/{model:.+}", self._model),
            web.post("/v1/chat/completions", self._complete),
        ]
        if self._settings.record:
            routes += [web.get("/__log", self._log), web.post("/__reset", self._reset)]
        return routes

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "model": LABEL})

    async def _models(self, request: web.Request) -> web.Response:
        if not self._admits(request):
            return _refuse(http_error(401))
        return web.json_response({"object": "list", "data": [self._description()]})

    async def _model(self, request: web.Request) -> web.Response:
        if not self._admits(request):
            return _refuse(http_error(401))
        if request.match_info["model"] != MODEL:
            return _refuse(http_error(404))
        return web.json_response(self._description())

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if not self._admits(request):
            return _refuse(http_error(401))
        body = await _read(request)
        if body is None:
            return _refuse(NO_COMPLETION)
        if body.get("model") != MODEL:
            return _refuse(http_error(404))
        return await self._answer(request, body)

    async def _answer(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        conversation = read_conversation(body)
        if self._settings.record:
            summary = {"step": conversation.step, "words": conversation.words}
            self._requests.append(summary | {"body": body})
        behaviour = decide(conversation, self._attempts, self._pace)
        if behaviour.delay_s:
            await asyncio.sleep(min(behaviour.delay_s, LONGEST_WAIT_S))
        if isinstance(behaviour.outcome, Refusal):
            return _refuse(behaviour.outcome)
        reply = counted(behaviour.outcome, conversation.prompt_chars)
        envelope = Envelope(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), MODEL)
        if body.get("stream"):
            return await _stream(request, envelope, reply, with_usage=_wants_usage(body))
        return web.json_response(envelope.whole(reply))

    async def _log(self, request: web.Request) -> web.Response:
        full = "full" in request.query
        kept = [r if full else {k: v for k, v in r.items() if k != "body"} for r in self._requests]
        return web.json_response(kept)

    async def _reset(self, _: web.Request) -> web.Response:
        self._requests.clear()
        self._attempts.clear()
        return web.json_response({"status": "ok"})

    def _admits(self, request: web.Request) -> bool:
        key = self._settings.api_key
        if key is None:
            return True
        given = request.headers.get("Authorization", "")
        return secrets.compare_digest(given.encode(), f"Bearer {key.get_secret_value()}".encode())

    def _description(self) -> dict[str, Any]:
        return {
            "id": MODEL,
            "object": "model",
            "created": CREATED,
            "owned_by": "local",
            "name": LABEL,
            "context_length": self._settings.context_length,
        }


def build_app(settings: Settings) -> web.Application:
    app = web.Application(client_max_size=LARGEST_REQUEST)
    app.add_routes(DemoModel(settings).routes())
    return app


async def _read(request: web.Request) -> Mapping[str, Any] | None:
    try:
        body = await request.json()
    except ValueError:
        return None
    usable = isinstance(body, dict) and isinstance(body.get("messages"), list)
    return body if usable else None


def _wants_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    return bool(options.get("include_usage", True)) if isinstance(options, dict) else True


def _refuse(refusal: Refusal) -> web.Response:
    if isinstance(refusal.body, str):
        return web.Response(status=refusal.status, text=refusal.body, content_type="text/html")
    return web.Response(
        status=refusal.status,
        text=json.dumps(refusal.body),
        content_type="application/json",
        headers=refusal.headers,
    )


async def _stream(
    request: web.Request, envelope: Envelope, reply: Reply, *, with_usage: bool
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
    )
    await response.prepare(request)
    await response.write(envelope.delta({"role": "assistant", "content": ""}))
    whole = await _speak(response, envelope, reply)
    if not whole:
        if reply.breaks == "drop" and request.transport:
            request.transport.abort()
        return response
    await response.write(envelope.delta({}, reply.finish_reason))
    if reply.usage and with_usage:
        await response.write(envelope.chunk([], usage=reply.usage.as_json()))
    await response.write(DONE)
    return response


async def _speak(response: web.StreamResponse, envelope: Envelope, reply: Reply) -> bool:
    """Send the pieces at their pace; false when the reply breaks off."""
    clock = asyncio.get_running_loop().time
    start, rate = clock(), reply.pace.chunks_per_second
    for sent, delta in enumerate(deltas(reply, envelope.id), start=1):
        await response.write(envelope.delta(delta))
        if reply.breaks and sent == SENT_BEFORE_BREAK:
            if reply.breaks == "error":
                await response.write(error_event(MIDSTREAM))
            return False
        if rate and (wait := start + sent / rate - clock()) > 0:
            await asyncio.sleep(wait)
    return not reply.breaks

"""Reading a sandbox's request: its token, its body, the model in it."""

import asyncio
import json
from typing import Any

from aiohttp import web

from chat_proxy.relay.errors import RefusedError, bad_request, body_too_large, no_token

_SCHEME = "bearer "
_SLOWEST_BODY_S = 60.0
_LONGEST_TOKEN = 500


def token_of(request: web.Request) -> str:
    """The relay token. Raises RefusedError."""
    given = request.headers.get("Authorization", "")
    token = given[len(_SCHEME) :].strip()
    if not given.lower().startswith(_SCHEME) or not 0 < len(token) <= _LONGEST_TOKEN:
        raise no_token()
    return token


async def body_of(request: web.Request, *, most: int) -> bytes:
    """The body, no larger than `most`, within a minute. Raises RefusedError."""
    if (request.content_length or 0) > most:
        raise body_too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(_SLOWEST_BODY_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most:
                    raise body_too_large(most)
    except TimeoutError as exc:
        raise RefusedError(408, "request_timeout", "The request took too long to come.") from exc
    return bytes(body)


def for_model(body: bytes, model: str) -> tuple[bytes, bool]:
    """The body with the owner's model in it, and whether it asks for a stream.

    Raises RefusedError.
    """
    asked = _object(body)
    if asked.get("model") != model:
        asked["model"] = model
        body = json.dumps(asked, separators=(",", ":")).encode()
    return body, asked.get("stream") is True


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as exc:
        message = "The body is not JSON."
        raise bad_request(message) from exc
    if not isinstance(asked, dict):
        message = "The body is not a JSON object."
        raise bad_request(message)
    return asked

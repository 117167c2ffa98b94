"""Reading a sandbox's request: its token, its body, the model in it, whose conversation it is."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from chat_proxy.relay.errors import RefusedError, bad_request, body_too_large, no_token

_SCHEME = "bearer "
_SLOWEST_BODY_S = 60.0
_LONGEST_TOKEN = 500
_WORKS_IN = re.compile(r"Current working directory: \S*/(ses_[a-z0-9]{20})\b")


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


@dataclass(frozen=True)
class Asked:
    """A chat completion as the sandbox asks for it; `session_id` is the conversation it names."""

    raw: bytes
    fields: Mapping[str, Any]
    session_id: str | None

    @property
    def is_stream(self) -> bool:
        return self.fields.get("stream") is True

    def for_model(self, model: str) -> bytes:
        """With the owner's model in it."""
        if self.fields.get("model") == model:
            return self.raw
        return json.dumps({**self.fields, "model": model}, separators=(",", ":")).encode()


def asked_in(body: bytes) -> Asked:
    """Raises RefusedError."""
    fields = _object(body)
    return Asked(body, fields, session_in(fields))


def session_in(asked: Mapping[str, Any]) -> str | None:
    """The session of ours: the agent tells its model where it works, and that directory has its
    name. A conversation that is no session's, such as a sub-agent's, may name none.
    """
    messages = asked.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    if not isinstance(first, dict) or first.get("role") != "system":
        return None
    content = first.get("content")
    found = _WORKS_IN.search(content if isinstance(content, str) else json.dumps(content))
    return found.group(1) if found else None


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

"""Hermes' own record of a conversation, step by step, over its HTTP."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from chat_proxy.adapters.hermes.tools import (
    clipped_arguments,
    parsed_result,
    tool_failed,
    tool_result,
)
from chat_proxy.errors import AgentLostError
from chat_proxy.model.agent import AgentAddress, ToolCall, TranscriptMessage

_READ_S = 20.0
_MOST_BYTES = 64 * 1024 * 1024
_TOKEN_HEADER = "X-Hermes-Session-Token"


async def read_transcript(
    http: aiohttp.ClientSession, address: AgentAddress, headers: Mapping[str, str], name: str
) -> list[TranscriptMessage]:
    """Every message stored so far, also of a turn still running; none of a conversation that was
    never prompted.
    """
    url = f"{address.url.rstrip('/')}/api/sessions/{quote(name, safe='')}/messages"
    try:
        async with (
            asyncio.timeout(_READ_S),
            http.get(
                url, headers={**headers, _TOKEN_HEADER: address.token}, allow_redirects=False
            ) as response,
        ):
            if response.status == 404:
                return []
            if response.status != 200:
                message = f"the agent answered with status {response.status}"
                raise AgentLostError(message)
            body = await _body(response)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
        message = f"the agent's record cannot be read ({type(exc).__name__})"
        raise AgentLostError(message) from None
    return [to_message(message) for message in body.get("messages") or ()]


async def _body(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """The JSON object; none for another form. Raises AgentLostError for one without end."""
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > _MOST_BYTES:
            message = "the agent's record is too large"
            raise AgentLostError(message)
    body = json.loads(data)
    return body if isinstance(body, dict) else {}


def to_message(message: Mapping[str, Any]) -> TranscriptMessage:
    text = _text_of(message.get("content"))
    result = parsed_result(text) if message.get("role") == "tool" else None
    return TranscriptMessage(
        role=str(message.get("role", "")),
        text=text if result is None else tool_result(result),
        calls=tuple(_call(call) for call in message.get("tool_calls") or ()),
        call_id=str(message.get("tool_call_id") or ""),
        name=str(message.get("tool_name") or ""),
        error=tool_failed(result),
        finish=str(message.get("finish_reason") or ""),
    )


def _text_of(content: Any) -> str:
    """The text of a message; one that shows images holds it in parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else json.dumps(content) if content else ""


def _call(call: Mapping[str, Any]) -> ToolCall:
    function = call.get("function") or {}
    return ToolCall(
        call_id=str(call.get("id") or ""),
        name=str(function.get("name") or ""),
        arguments=clipped_arguments(parsed_result(str(function.get("arguments") or ""))),
    )

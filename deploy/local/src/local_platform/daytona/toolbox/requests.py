"""Reading what a caller sent."""

import json
from pathlib import Path
from typing import Any

from aiohttp import web

from .errors import bad_request

Body = dict[str, Any]


async def body_of(request: web.Request) -> Body:
    raw = await request.read()
    try:
        body = json.loads(raw or b"{}")
    except ValueError as error:
        raise bad_request(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        msg = "the body is not a JSON object"
        raise bad_request(msg)
    return body


def text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise bad_request(f"{name} is required")
    return value


def optional_text(body: Body, name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"{name} is not a string")
    return value or None


def strings(body: Body, name: str) -> list[str]:
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise bad_request(f"{name} is not a list of strings")
    return value


def variables(body: Body, name: str) -> dict[str, str]:
    value = body.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise bad_request(f"{name} is not an object of strings")
    if any("\0" in key + item or "=" in key or not key for key, item in value.items()):
        raise bad_request(f"{name} has a name or value that no environment can hold")
    return value


def seconds(body: Body, name: str) -> float | None:
    value = body.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise bad_request(f"{name} is not a number")
    return value if value and value > 0 else None


def path_of(request: web.Request, name: str = "path", default: str | None = None) -> Path:
    """A path from the query; relative ones count from the work directory."""
    value = request.query.get(name) or default
    if not value:
        raise bad_request(f"{name} is required")
    if "\0" in value:
        raise bad_request(f"{name} holds a NUL character")
    return Path(value)


def mode_of(value: str | None, default: int) -> int:
    if not value:
        return default
    try:
        mode = int(value, 8)
    except ValueError as error:
        raise bad_request(f"{value!r} is no octal mode") from error
    if not 0 <= mode <= 0o7777:
        raise bad_request(f"{value!r} is no file mode")
    return mode

"""What of a tool's arguments and result is kept: excerpts, and whether it failed."""

import json
from typing import Any

_RESULT_CHARS = 8_000
_VALUE_CHARS = 4_000
_ARGUMENTS_CHARS = 16_000
_FINE = frozenset({None, 0, "0"})


def clipped(text: str, limit: int = _RESULT_CHARS) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def clipped_arguments(arguments: Any) -> dict[str, Any] | None:
    """The arguments with long texts cut, as values that are safe to encode."""
    if not isinstance(arguments, dict):
        return None
    kept = {
        str(name): clipped(value, _VALUE_CHARS) if isinstance(value, str) else value
        for name, value in arguments.items()
    }
    text = json.dumps(kept, default=str)
    if len(text) > _ARGUMENTS_CHARS:
        return {"excerpt": text[:_ARGUMENTS_CHARS]}
    # Python's JSON has numbers that JSON has not.
    cleaned: dict[str, Any] = json.loads(_encodable(text), parse_constant=str)
    return cleaned


def tool_failed(result: Any) -> bool:
    """Whether a result is a failure: an error, a non-zero exit, a refusal."""
    if not isinstance(result, dict):
        return False
    if result.get("error") or result.get("exit_code") not in _FINE:
        return True
    return result.get("success") is False or result.get("status") in {"blocked", "error"}


def tool_result(result: Any) -> str:
    """The part of a result worth showing: its output and its error, or all of it."""
    if isinstance(result, str):
        return clipped(result)
    if isinstance(result, dict) and isinstance(result.get("output"), str):
        parts = [result["output"], str(result.get("error") or "")]
        return clipped("\n".join(part for part in parts if part))
    return clipped(json.dumps(result, ensure_ascii=False, default=str))


def parsed_result(text: str) -> Any:
    """A result as the transcript keeps it: JSON where it was."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _encodable(text: str) -> str:
    """JSON text without halves of surrogate pairs."""
    if "\\ud" not in text.lower():
        return text
    value = json.loads(text)
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()

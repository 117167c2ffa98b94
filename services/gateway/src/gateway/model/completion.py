"""What a client of OpenAI's API asks, in our words.

Such a client keeps the conversation itself and sends all of it each time. What it is known by when
it comes back, its *thread*, is a hash of everything said so far.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from common.errors import InvalidError, TooLargeError
from pydantic import BaseModel, ConfigDict, Field

MOST_FILE_BYTES = 4 * 1024 * 1024
_MOST_FILES = 10
_MOST_STOPS = 4
_MOST_HISTORY = 100
_MOST_HISTORY_CHARS = 300_000
_DATA_URL = re.compile(r"data:(?P<type>[a-z]+/[a-z0-9.+-]+)(?:;[a-z-]+=[^;,]*)*;base64,", re.I)
_SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_UNUSABLE = {
    "tools": "the agent uses its own tools",
    "functions": "the agent uses its own tools",
    "audio": "the agent answers in text",
    "prediction": "there is nothing to predict",
}


class Tolerant(BaseModel):
    """Clients send many fields that mean nothing here."""

    model_config = ConfigDict(extra="allow", frozen=True)


class ClientMessage(Tolerant):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None


class StreamOptions(Tolerant):
    include_usage: bool = False


class CompletionRequest(Tolerant):
    """The fields that count; `metadata.session_id` goes on with a session of ours."""

    model: str = Field(min_length=1, max_length=2000)
    messages: list[ClientMessage] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    response_format: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True)
class Attached:
    """A file that came inside a message."""

    name: str
    content: bytes

    @property
    def path(self) -> str:
        """Its place in the workspace; the same bytes have the same."""
        return f"attached/{hashlib.sha256(self.content).hexdigest()[:8]}-{self.name}"


@dataclass(frozen=True)
class Said:
    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class Asked:
    """`history` is what was said before `prompt`."""

    model: str
    prompt: str
    instructions: str
    history: tuple[Said, ...]
    attached: tuple[Attached, ...]
    stops: tuple[str, ...]
    is_stream: bool
    with_usage: bool
    session_id: str | None

    @property
    def thread(self) -> str:
        """The conversation before this prompt."""
        return _thread(self.model, self.instructions, self.history)

    def thread_after(self, answer: str) -> str:
        """The conversation as the client sends it next time."""
        said = (*self.history, Said("user", self.prompt), Said("assistant", answer))
        return _thread(self.model, self.instructions, said)

    @property
    def told(self) -> list[Said]:
        """As much of the history as is worth sending on."""
        kept: list[Said] = []
        left = _MOST_HISTORY_CHARS
        for one in reversed(self.history[-_MOST_HISTORY:]):
            left -= len(one.text)
            if left < 0:
                break
            kept.append(one)
        return kept[::-1]


def read(request: CompletionRequest) -> Asked:
    """Raises InvalidError for what cannot be done; its `param` names the field."""
    _check(request)
    texts = [_text(message) for message in request.messages]
    pairs = list(zip(request.messages, texts, strict=True))
    instructions = "\n\n".join(
        text for message, text in pairs if message.role in {"system", "developer"} and text
    )
    said = [
        Said("user" if message.role == "user" else "assistant", text)
        for message, text in pairs
        if message.role in {"user", "assistant"} and (text or message is request.messages[-1])
    ]
    attached = _attached(request.messages[-1])
    prompt = said[-1].text or ("Look at what I attached." if attached else "")
    if not prompt:
        raise _cannot(param="messages", why="the last message is empty")
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    session_id = (request.metadata or {}).get("session_id")
    return Asked(
        model=request.model.strip(),
        prompt=prompt,
        instructions=instructions,
        history=tuple(said[:-1]),
        attached=attached,
        stops=tuple(stop for stop in stops if stop),
        is_stream=request.stream,
        with_usage=bool(request.stream_options and request.stream_options.include_usage),
        session_id=session_id if isinstance(session_id, str) else None,
    )


def _check(request: CompletionRequest) -> None:
    if request.messages[-1].role != "user":
        raise _cannot(param="messages", why="the last message must be the user's")
    if request.n not in (None, 1):
        raise _cannot(param="n", why="one answer at a time")
    if (request.response_format or {}).get("type", "text") != "text":
        raise _cannot(param="response_format", why="the agent answers in text")
    if isinstance(request.stop, list) and len(request.stop) > _MOST_STOPS:
        raise _cannot(param="stop", why=f"{_MOST_STOPS} stop sequences at the most")
    for name, reason in _UNUSABLE.items():
        if (request.model_extra or {}).get(name):
            raise _cannot(param=name, why=reason)


def _text(message: ClientMessage) -> str:
    if not isinstance(message.content, list):
        return message.content or ""
    texts = [part.get("text") or part.get("refusal") for part in message.content]
    return "\n".join(text for text in texts if isinstance(text, str))


def _attached(message: ClientMessage) -> tuple[Attached, ...]:
    parts = message.content if isinstance(message.content, list) else []
    found = [_file(part, number) for number, part in enumerate(parts, 1)]
    attached = tuple(one for one in found if one is not None)
    if len(attached) > _MOST_FILES:
        raise _cannot(param="messages", why=f"{_MOST_FILES} files in a message at the most")
    return attached


def _file(part: dict[str, Any], number: int) -> Attached | None:
    match part.get("type"):
        case "text" | "refusal":
            return None
        case "image_url":
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, dict) else image
            kind, content = _data(url, "an image")
            return Attached(f"image-{number}.{_SUFFIXES.get(kind, 'bin')}", content)
        case "file":
            file = part.get("file")
            file = file if isinstance(file, dict) else {}
            _, content = _data(file.get("file_data"), "a file")
            return Attached(_plain(file.get("filename"), f"file-{number}"), content)
        case kind:
            raise _cannot(param="messages", why=f"a part of type {kind} is not understood")


def _data(url: object, what: str) -> tuple[str, bytes]:
    found = _DATA_URL.match(url) if isinstance(url, str) else None
    if found is None or not isinstance(url, str):
        raise _cannot(param="messages", why=f"{what} comes as a data: URL, nothing is fetched")
    try:
        content = base64.b64decode(url[found.end() :], validate=True)
    except (ValueError, binascii.Error) as exc:
        raise _cannot(param="messages", why=f"{what} is not base64") from exc
    if len(content) > MOST_FILE_BYTES:
        message = f"{what} may have 4 MiB"
        raise TooLargeError(message, extra={"param": "messages"})
    return found["type"].lower(), content


def _plain(name: object, otherwise: str) -> str:
    own = str(name or "").replace("\\", "/").rpartition("/")[2]
    own = "".join(char for char in own if ord(char) >= 32)[:100]
    return own if own.strip(". ") else otherwise


def _thread(model: str, instructions: str, said: Sequence[Said]) -> str:
    """Spaces count for nothing: clients trim."""
    parts = [model, instructions, *(f"{one.role}:{one.text}" for one in said)]
    squeezed = ["".join(part.split()) for part in parts]
    return hashlib.sha256(json.dumps(squeezed).encode()).hexdigest()


def _cannot(*, param: str, why: str) -> InvalidError:
    return InvalidError(why, extra={"param": param})

"""Users at once who keep count: what was asked for is there once, and of every answer each number
comes once and in order. For tests, beside whatever is killed meanwhile.
"""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, fields
from typing import Any, Self

import httpx

PASSING = {429, 502, 503, 504}
"""What a client asks again after: nothing was done, or the idempotency key keeps it single."""

PAUSE_S = 0.5
QUIET_S = 40.0
LAUNCH_S = 240.0
ANSWER_S = 420.0


class GaveUpError(Exception):
    pass


@dataclass
class Count:
    """What came of it; everything after `retried` must be zero."""

    launches: int = 0
    streams: int = 0
    entries: int = 0
    resumed: int = 0
    retried: int = 0
    failed: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    without_end: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, int]:
        names = ("failed", "lost", "doubled", "out_of_order", "without_end")
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    def __str__(self) -> str:
        numbers = (
            f"{f.name} {getattr(self, f.name)}" for f in fields(self) if f.name != "reasons"
        )
        return ", ".join(numbers) + "".join(f"\n  {reason}" for reason in self.reasons[:60])


class Person:
    """One user; an asynchronous context manager."""

    def __init__(self, url: str, token: str, count: Count) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20
        )
        self.count = count
        self.launches: list[str] = []
        self.turns: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def launch(self, ref: str) -> str:
        """Ask for the skill until somebody heard, and wait until it is ready; the launch's id."""
        asked = await self._sent("POST", "/api/launches", {"ref": ref})
        self.launches.append(asked["id"])
        self.count.launches += 1
        ends = time.monotonic() + LAUNCH_S
        while asked["state"] not in {"ready", "failed", "cancelled"}:
            if time.monotonic() > ends:
                self.count.without_end += 1
                raise GaveUpError(f"launch {asked['id']} is still {asked['state']}")
            await asyncio.sleep(PAUSE_S)
            asked = await self._sent("GET", f"/api/launches/{asked['id']}")
        if asked["state"] != "ready":
            self.count.failed += 1
            raise GaveUpError(f"launch {asked['id']}: {asked.get('error')}")
        return str(asked["id"])

    async def converse(self, launch_id: str, *, words: int, rate: float) -> str:
        """A session, and in it an answer of so many words at so many a second; its id."""
        session = await self._sent("POST", "/api/sessions", {"launch_id": launch_id})
        await self.say(session["id"], words=words, rate=rate)
        return str(session["id"])

    async def say(self, session_id: str, *, words: int, rate: float) -> None:
        """One turn, and what is kept of it."""
        path = f"/api/sessions/{session_id}"
        before = await self._sent("GET", path)
        text = f"[[tokens:{words}]][[rate:{rate}]][[chunk:1]]"
        turn = await self._sent("POST", f"{path}/turns", {"text": text})
        self.turns.append(turn["id"])
        self.count.streams += 1
        reader = Reader(self.count, path, before["last_seq"])
        await self._follow(reader, f"{path}/events")
        said = " ".join(f"w{number}" for number in range(words))
        kept = (await self._sent("GET", path))["messages"][len(before["messages"]) :]
        answers = [message["text"] for message in kept if message["role"] == "assistant"]
        if reader.state != "completed":
            self._fault("failed", f"{path}: {reader.state} {reader.error}")
        elif reader.text != said:
            self._fault("lost", f"{path}: {len(reader.text)} of {len(said)} characters came")
        if len(kept) != 2 or answers != [reader.text]:
            kinds = [(message["role"], len(message["text"])) for message in kept]
            self._fault("doubled" if len(kept) > 2 else "lost", f"{path}: {kinds} are kept")

    async def trials(self) -> list[str]:
        """The launches that the platform has on record."""
        told = await self._sent("GET", "/api/trials")
        return [trial["launch_id"] for trial in told["trials"]]

    async def sessions(self) -> list[Any]:
        return list((await self._sent("GET", "/api/sessions"))["sessions"])

    async def status(self, path: str) -> int:
        return (await self._http.get(path)).status_code

    async def _follow(self, reader: "Reader", path: str) -> None:
        ends = time.monotonic() + ANSWER_S
        while reader.state is None:
            if time.monotonic() > ends:
                self._fault("without_end", f"{path}: nothing after {reader.last}")
                return
            with contextlib.suppress(httpx.TransportError):
                async for entry in self._entries(path, reader.last):
                    reader.take(entry)
                    if reader.state is not None:
                        return
            self.count.resumed += 1
            await asyncio.sleep(PAUSE_S)

    async def _entries(self, path: str, after: int) -> AsyncIterator[dict[str, Any]]:
        headers = {"Last-Event-ID": str(after)} if after else {}
        timeout = httpx.Timeout(20, read=QUIET_S)
        async with self._http.stream("GET", path, headers=headers, timeout=timeout) as answer:
            if answer.status_code != httpx.codes.OK:
                return
            kind = ""
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind != "error":
                    yield json.loads(value)

    async def _sent(self, method: str, path: str, body: Any = None) -> Any:
        """Ask again, under the same key, until somebody answered."""
        headers = {} if method == "GET" else {"Idempotency-Key": uuid.uuid4().hex}
        ends = time.monotonic() + LAUNCH_S
        while time.monotonic() < ends:
            with contextlib.suppress(httpx.TransportError):
                answer = await self._http.request(method, path, json=body, headers=headers)
                if answer.status_code not in PASSING:
                    if answer.is_error:
                        self._fault(
                            "failed", f"{method} {path}: {answer.status_code} {answer.text}"
                        )
                        raise GaveUpError(path)
                    return answer.json()
            self.count.retried += 1
            await asyncio.sleep(PAUSE_S)
        self._fault("without_end", f"{method} {path} was never answered")
        raise GaveUpError(path)

    def _fault(self, kind: str, reason: str) -> None:
        setattr(self.count, kind, getattr(self.count, kind) + 1)
        self.count.reasons.append(f"{kind}: {reason}")


class Reader:
    """One viewer of one turn: adds the text up and minds the numbers."""

    def __init__(self, count: Count, name: str, after: int) -> None:
        self._count = count
        self._name = name
        self.last = after
        self.text = ""
        self._since_tool = 0
        self.state: str | None = None
        self.error: Any = None

    def take(self, entry: dict[str, Any]) -> None:
        first = entry.get("seq_from") or entry["seq"]
        if first > self.last + 1:
            self._fault("lost", f"{self.last + 1} to {first - 1} never came")
        elif entry["seq"] <= self.last:
            self._fault("doubled", f"{entry['seq']} came again after {self.last}")
            return
        elif first <= self.last:
            self._fault("out_of_order", f"{first}..{entry['seq']} came after {self.last}")
        self._count.entries += 1
        self.last = entry["seq"]
        self._read(entry)

    def _read(self, entry: dict[str, Any]) -> None:
        match entry["type"]:
            case "text":
                self.text += entry["text"]
            case "text.replaced":
                self.text = self.text[: self._since_tool] + entry["text"]
            case "tool.completed":
                self._since_tool = len(self.text)
            case "turn.ended":
                self.state, self.error = entry["state"], entry.get("error")
            case _:
                pass

    def _fault(self, kind: str, reason: str) -> None:
        setattr(self._count, kind, getattr(self._count, kind) + 1)
        self._count.reasons.append(f"{kind}: {self._name}: {reason}")

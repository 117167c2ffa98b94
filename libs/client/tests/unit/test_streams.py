"""Following a journal: every number once and in order, whatever breaks."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from tryskills import streams
from tryskills.errors import ApiError, UnreachableError
from tryskills.models import Entry
from tryskills.streams import follow


class Stream(httpx.AsyncByteStream):
    """Parts of an answer; an exception among them is raised where it stands."""

    def __init__(self, parts: Sequence[bytes | Exception]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            yield part


class Journal:
    """Answers each connection with the next of its scripts; keeps where each went on from."""

    def __init__(self, *scripts: Sequence[bytes | Exception]) -> None:
        self._scripts = list(scripts)
        self.asked: list[str | None] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.headers.get("Last-Event-ID"))
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        headers = {"Content-Type": "text/event-stream"}
        return httpx.Response(200, headers=headers, stream=Stream(script))


def event(seq: int, kind: str = "text", **data: Any) -> bytes:
    return f"id: {seq}\nevent: {kind}\ndata: {json.dumps({'seq': seq, **data})}\n\n".encode()


def problem(code: str) -> bytes:
    return f'event: error\ndata: {{"code": "{code}", "status": 503}}\n\n'.encode()


async def read(handler: Any) -> list[Entry]:
    transport = httpx.MockTransport(handler)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        return [entry async for entry in follow(http, "/events", "ended", 0)]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LONGEST_WAIT_S", 0)


class TestFollow:
    async def test_it_ends_with_the_last_type(self) -> None:
        entries = await read(Journal([event(1, text="a"), event(2, "ended"), event(3)]))

        assert [(entry.seq, entry.type) for entry in entries] == [(1, "text"), (2, "ended")]
        assert entries[0].text("text") == "a"

    async def test_a_part_may_end_anywhere(self) -> None:
        whole = b"retry: 1000\n\n: keepalive\n\n" + event(1, text="ä") + event(2, "ended")
        pieces = [whole[at : at + 7] for at in range(0, len(whole), 7)]

        assert [entry.seq for entry in await read(Journal(pieces))] == [1, 2]

    async def test_a_broken_connection_is_taken_up_after_the_last_number(self) -> None:
        broken: list[bytes | Exception] = [event(1), event(2), httpx.ReadError("gone")]
        journal = Journal(broken, [event(3), event(4, "ended")])

        assert [entry.seq for entry in await read(journal)] == [1, 2, 3, 4]
        assert journal.asked == [None, "2"]

    async def test_a_number_that_was_seen_is_not_given_again(self) -> None:
        journal = Journal([event(1), event(2)], [event(2), event(3, "ended")])

        assert [entry.seq for entry in await read(journal)] == [1, 2, 3]

    async def test_a_viewer_that_was_too_slow_comes_back(self) -> None:
        journal = Journal([event(1), problem("slow_viewer")], [event(2, "ended")])

        assert [entry.seq for entry in await read(journal)] == [1, 2]

    async def test_another_error_in_the_stream_is_raised(self) -> None:
        with pytest.raises(ApiError, match="internal"):
            await read(Journal([event(1), problem("internal")]))

    async def test_a_refusal_is_raised_with_its_code(self) -> None:
        def refuse(_: httpx.Request) -> httpx.Response:
            return httpx.Response(404, json={"code": "launch_not_found", "detail": "no such"})

        with pytest.raises(ApiError) as refused:
            await read(refuse)

        assert (refused.value.status, refused.value.code) == (404, "launch_not_found")

    async def test_a_platform_that_stays_away_is_given_up(self) -> None:
        journal = Journal([event(1)])

        with pytest.raises(UnreachableError):
            await read(journal)

        assert set(journal.asked[1:]) == {"1"}

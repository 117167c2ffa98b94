"""The streams over ASGI: what a client reads, and what happens when it goes."""

import asyncio
import json
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from common.contracts.chat import ATTACH, Attach, Attached, Text, session_journal
from common.contracts.sandbox import (
    GET_LAUNCH_ENTRIES,
    LaunchEnded,
    LaunchEntries,
    LaunchState,
    PhaseName,
    PhaseStarted,
)
from common.errors import ErrorCode, NotFoundError, UnavailableError
from common.testing.bus import FakeJournals, FakeServices
from gateway.model.frames import encode_announcement
from gateway.service.viewing import Viewers
from starlette.types import ASGIApp

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LAUNCH_ID = "lau_" + "1" * 20
SESSION_ID = "ses_" + "2" * 20
SUBJECT = session_journal(SESSION_ID)
LOCAL_OWNER = "own_" + "l" * 20


def text(seq: int, *, seq_from: int | None = None) -> Text:
    return Text(seq=seq, seq_from=seq_from, at=AT, turn_id="tur_1", text=f"part {seq}")


def events(body: str) -> list[dict[str, Any]]:
    """What an EventSource makes of it; comments are left out."""
    found = []
    for block in body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
        if "data" in fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found


class Client:
    """A browser that reads one stream until it is told to go."""

    def __init__(self, app: ASGIApp, path: str, **headers: str) -> None:
        raw = {"host": "127.0.0.1:8000", **{k.replace("_", "-"): v for k, v in headers.items()}}
        path, _, query = path.partition("?")
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in raw.items()],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 1),
        }
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = ""
        self.is_complete = False
        self.may_take = asyncio.Event()
        self.may_take.set()
        self._gone = asyncio.Event()
        self.running = asyncio.ensure_future(app(self.scope, self._receive, self._send))

    async def _receive(self) -> MutableMapping[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            return
        await self.may_take.wait()
        self.body += message.get("body", b"").decode()
        self.is_complete = not message.get("more_body", False)

    async def read(self, *, until: int) -> list[dict[str, Any]]:
        """The events up to one with that id."""
        for _ in range(200):
            found = events(self.body)
            if found and found[-1].get("id") == str(until):
                return found
            await asyncio.sleep(0)
        return events(self.body)

    async def go(self) -> None:
        self._gone.set()
        await asyncio.wait_for(self.running, 5)


def attached(written: list[Text]) -> Any:
    def attach(request: Attach) -> Attached:
        entries = [entry for entry in written if entry.seq > request.after]
        return Attached(entries=entries, last_seq=entries[-1].seq if entries else request.after)

    return attach


class TestAnnounced:
    async def test_open_sessions_of_the_owner_are_told_and_keep_their_place(
        self, app: ASGIApp, services: FakeServices, journals: FakeJournals, viewers: Viewers
    ) -> None:
        services.answer(ATTACH, attached([text(1)]))
        client = Client(app, f"/api/sessions/{SESSION_ID}/events")
        await client.read(until=1)

        viewers.announce("own_" + "x" * 20, encode_announcement("sandbox", {"state": "gone"}))
        viewers.announce(LOCAL_OWNER, encode_announcement("sandbox", {"state": "stopped"}))
        await asyncio.sleep(0.01)
        await journals.publish(SUBJECT, text(2).model_dump_json().encode())
        found = await client.read(until=2)
        await client.go()

        assert [(event.get("id"), event["event"]) for event in found] == [
            ("1", "text"),
            (None, "sandbox"),
            ("2", "text"),
        ]
        assert found[1]["data"] == {"state": "stopped"}


class TestSession:
    async def test_history_first_then_live_each_once(
        self, app: ASGIApp, services: FakeServices, journals: FakeJournals
    ) -> None:
        services.answer(ATTACH, attached([text(3, seq_from=1)]))
        client = Client(app, f"/api/sessions/{SESSION_ID}/events")
        await client.read(until=3)

        await journals.publish(SUBJECT, *(text(n).model_dump_json().encode() for n in (3, 4, 5)))
        found = await client.read(until=5)
        await client.go()

        assert [(event["id"], event["event"]) for event in found] == [
            ("3", "text"),
            ("4", "text"),
            ("5", "text"),
        ]
        assert found[0]["data"]["seq_from"] == 1
        assert client.headers["content-type"].startswith("text/event-stream")
        assert client.headers["x-accel-buffering"] == "no"
        assert "no-cache" in client.headers["cache-control"]

    @pytest.mark.parametrize(
        ("path", "headers"),
        [
            (f"/api/sessions/{SESSION_ID}/events?after=2", {}),
            (f"/api/sessions/{SESSION_ID}/events", {"last_event_id": "2"}),
            (f"/api/sessions/{SESSION_ID}/events?after=0", {"last_event_id": "2"}),
        ],
    )
    async def test_it_resumes_after_a_number(
        self, app: ASGIApp, services: FakeServices, path: str, headers: dict[str, str]
    ) -> None:
        services.answer(ATTACH, attached([text(1), text(2), text(3)]))
        client = Client(app, path, **headers)

        found = await client.read(until=3)
        await client.go()

        assert [event["id"] for event in found] == ["3"]

    async def test_who_goes_leaves_nothing_behind(
        self, app: ASGIApp, services: FakeServices, journals: FakeJournals, viewers: Viewers
    ) -> None:
        services.answer(ATTACH, attached([text(1)]))
        client = Client(app, f"/api/sessions/{SESSION_ID}/events")
        await client.read(until=1)
        assert (journals.count(), len(viewers)) == (1, 1)

        await client.go()

        assert (journals.count(), len(viewers)) == (0, 0)

    async def test_draining_ends_it_whole_so_that_the_client_comes_back(
        self, app: ASGIApp, services: FakeServices, viewers: Viewers
    ) -> None:
        services.answer(ATTACH, attached([text(1)]))
        client = Client(app, f"/api/sessions/{SESSION_ID}/events")
        await client.read(until=1)

        viewers.drain()
        await asyncio.wait_for(client.running, 5)

        assert client.is_complete
        assert client.body.startswith("retry: ")
        assert "event: error" not in client.body

    async def test_who_reads_too_slowly_is_told_and_resumes(
        self, app: ASGIApp, services: FakeServices, journals: FakeJournals
    ) -> None:
        services.answer(ATTACH, attached([text(1)]))
        client = Client(app, f"/api/sessions/{SESSION_ID}/events")
        await client.read(until=1)
        client.may_take.clear()
        for number in range(2, 2000):
            await journals.publish(SUBJECT, text(number).model_dump_json().encode())
            await asyncio.sleep(0)

        client.may_take.set()
        await asyncio.wait_for(client.running, 5)
        found = events(client.body)

        assert found[-1]["event"] == "error"
        assert found[-1]["data"]["code"] == "slow_viewer"
        numbers = [int(event["id"]) for event in found[:-1]]
        assert numbers == list(range(1, len(numbers) + 1))

    async def test_a_client_that_takes_nothing_is_given_up(
        self, app: ASGIApp, services: FakeServices, viewers: Viewers, journals: FakeJournals
    ) -> None:
        services.answer(ATTACH, attached([text(1)]))
        client = Client(app, f"/api/sessions/{SESSION_ID}/events")
        client.may_take.clear()
        while not len(viewers):
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        for viewer in list(viewers._open):
            for _ in range(40):
                viewer.tick(is_interrupted=False)
        await asyncio.wait_for(client.running, 5)

        assert not client.is_complete
        assert journals.count() == 0

    @pytest.mark.parametrize("number", ["x", "1.5", "-1", "9" * 19, "\N{ARABIC-INDIC DIGIT ONE}"])
    async def test_a_strange_number_is_the_callers_error(
        self, client: httpx.AsyncClient, number: str
    ) -> None:
        headers = {b"Last-Event-ID": number.encode()}

        response = await client.get(f"/api/sessions/{SESSION_ID}/events", headers=headers)

        assert (response.status_code, response.json()["code"]) == (400, "invalid_request")

    async def test_a_foreign_session_is_not_there(
        self, client: httpx.AsyncClient, services: FakeServices, journals: FakeJournals
    ) -> None:
        error = NotFoundError("no such session", code=ErrorCode.SESSION_NOT_FOUND)
        services.answer(ATTACH, error)

        response = await client.get(f"/api/sessions/{SESSION_ID}/events")

        assert (response.status_code, response.json()["code"]) == (404, "session_not_found")
        assert journals.count() == 0

    @pytest.mark.parametrize("name", [">", "*", "ses_*", "ses_" + "2" * 19 + ".", "%3E", "x.y"])
    async def test_an_id_that_is_no_id_follows_nothing(
        self, client: httpx.AsyncClient, journals: FakeJournals, name: str
    ) -> None:
        for path in (f"/api/sessions/{name}/events", f"/api/launches/{name}/events"):
            assert (await client.get(path)).status_code == 404

        assert journals.followers == {}

    async def test_while_the_service_is_down_it_is_503(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(ATTACH, UnavailableError("chat-proxy is not running"))

        response = await client.get(f"/api/sessions/{SESSION_ID}/events")

        assert response.status_code == 503


class TestLaunch:
    async def test_it_ends_after_its_last_entry(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        entries = LaunchEntries(
            entries=[
                PhaseStarted(seq=1, at=AT, phase=PhaseName.UPLOAD),
                LaunchEnded(seq=2, at=AT, state=LaunchState.READY, path=None),
            ],
            ended=True,
        )
        services.answer(GET_LAUNCH_ENTRIES, entries)

        response = await client.get(f"/api/launches/{LAUNCH_ID}/events")

        found = events(response.text)
        assert [event["event"] for event in found] == ["phase.started", "launch.ended"]

    async def test_who_has_all_of_it_gets_its_end(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(GET_LAUNCH_ENTRIES, LaunchEntries(entries=[], ended=True))

        response = await client.get(f"/api/launches/{LAUNCH_ID}/events?after=2")

        assert response.status_code == 200
        assert events(response.text) == []

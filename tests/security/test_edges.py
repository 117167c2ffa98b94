"""The outside of a running platform: floods, headers, sizes, and the bus behind it."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import httpx
import nats
import pytest
from local_platform.instance import Instance
from local_platform.visitor import Visitor
from security_kit.scanning import Stores

FLOOD, AT_ONCE = 5000, 50
PAGES = ("/", "/settings", "/dashboard", "/docs", "/nobody/knows/this", "/static/app.js")


class TestFlood:
    async def test_one_users_flood_is_refused_and_another_notices_nothing(
        self, platform: Instance, new_visitor: Callable[[], Visitor]
    ) -> None:
        flooding, calm = new_visitor(), new_visitor()
        calm.get("/api/me")
        statuses: Counter[int] = Counter()
        retry_after: set[str] = set()
        calm_statuses, calm_s = [], []

        async def flood(client: httpx.AsyncClient) -> None:
            for _ in range(FLOOD // AT_ONCE):
                answer = await client.get("/api/me")
                statuses[answer.status_code] += 1
                retry_after.add(answer.headers.get("retry-after", ""))

        async def calmly(client: httpx.AsyncClient) -> None:
            for _ in range(20):
                began = time.monotonic()
                calm_statuses.append((await client.get("/api/me")).status_code)
                calm_s.append(time.monotonic() - began)
                await asyncio.sleep(0.1)

        def client_of(user: Visitor) -> httpx.AsyncClient:
            headers = {"Authorization": f"Bearer {user.token}"}
            limits = httpx.Limits(max_connections=None)
            return httpx.AsyncClient(
                base_url=platform.url, headers=headers, timeout=60, limits=limits
            )

        async with client_of(flooding) as flooder, client_of(calm) as other:
            await asyncio.gather(*(flood(flooder) for _ in range(AT_ONCE)), calmly(other))

        assert set(statuses) == {200, 429}
        assert statuses[429] > 100
        assert all(text.isdigit() for text in retry_after - {""})
        assert set(calm_statuses) == {200}
        assert sorted(calm_s)[len(calm_s) // 2] < 2

    def test_too_many_streams_are_refused(self, new_visitor: Callable[[], Visitor]) -> None:
        user = new_visitor()
        launch = user.launched("examples/skills/hello")
        session = user.post("/api/sessions", launch_id=launch["id"])
        headers = {"Authorization": f"Bearer {user.token}"}
        limits = httpx.Limits(max_connections=None)
        statuses: Counter[int] = Counter()
        with httpx.Client(
            base_url=user.http.base_url, headers=headers, limits=limits, timeout=30
        ) as client:
            opened = []
            for _ in range(105):
                request = client.build_request("GET", f"/api/sessions/{session['id']}/events")
                answer = client.send(request, stream=True)
                opened.append(answer)
                statuses[answer.status_code] += 1
            last = opened[-1]
            for answer in opened:
                answer.close()

        assert statuses == {200: 100, 429: 5}
        assert int(last.headers["retry-after"]) >= 1

    def test_a_body_too_large_is_refused(self, new_visitor: Callable[[], Visitor]) -> None:
        user = new_visitor()

        answer = user.http.put("/api/settings", content=b"x" * (2 * 1024 * 1024))

        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


class TestHeaders:
    @pytest.mark.parametrize("path", [*PAGES, "/api/me", "/openapi.json"])
    def test_each_answer_says_what_a_browser_may_do_with_it(
        self, anonymous: httpx.Client, path: str
    ) -> None:
        headers = anonymous.get(path).headers

        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers

    def test_what_a_skill_brought_never_runs_on_our_origin(self, anonymous: httpx.Client) -> None:
        skill = anonymous.get("/api/skills/resolve", params={"ref": "examples/skills/hello"})
        digest = skill.raise_for_status().json()["digest"]

        answer = anonymous.get(f"/api/skills/{digest}/files/SKILL.md")

        kind = answer.headers["content-type"].partition(";")[0]
        assert kind in {"text/plain", "application/octet-stream"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


class TestBus:
    async def test_the_gateways_password_opens_no_secret(self, stores: Stores) -> None:
        refused: list[str] = []

        async def on_error(error: Exception) -> None:
            refused.append(str(error))

        connection = await nats.connect(
            stores.nats_url("gateway"), inbox_prefix=b"_INBOX_gateway", error_cb=on_error
        )
        await connection.publish("rpc.keys.reveal.v1", b"{}")
        for subject in ("_INBOX_relay.>", "_INBOX_sandbox-manager.>", "rpc.keys.>", ">"):
            await connection.subscribe(subject)
        for _ in range(3):
            await connection.flush()
        await connection.close()

        assert len([text for text in refused if "permissions violation" in text]) == 5

    async def test_without_a_password_nobody_is_let_in(self, stores: Stores) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", stores.port("nats"))
        writer.write(b"CONNECT {}\r\nPING\r\n")

        said = await asyncio.wait_for(reader.read(), 5)
        writer.close()

        assert b"Authorization Violation" in said

"""States, names, labels, intervals and lists through the SDK."""

import asyncio
import uuid
from contextlib import suppress

import aiohttp
import pytest
import socketio  # type: ignore[import-untyped]  # it ships no types
from daytona import (
    AsyncDaytona,
    AsyncSandbox,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    DaytonaConfig,
    Image,
    ListSandboxesQuery,
    Resources,
)
from daytona.common.errors import (
    DaytonaAuthenticationError,
    DaytonaBadRequestError,
    DaytonaConflictError,
    DaytonaError,
    DaytonaNotFoundError,
)
from daytona_api_client import SandboxState
from local_platform.daytona.testing import HostProcess

pytestmark = pytest.mark.anyio


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


class TestCreate:
    async def test_nothing_asked_for_gives_the_default(self, daytona: AsyncDaytona) -> None:
        made = await daytona.create()
        try:
            assert made.state == "started"
            assert made.snapshot == "tryskills-hermes-0.19.0"
            assert made.labels == {"code-toolbox-language": "python"}
            assert (made.auto_stop_interval, made.auto_delete_interval) == (15, -1)
            assert made.created_at
            assert min(made.cpu, made.memory, made.disk) > 0
            assert await made.get_work_dir() == "/home/daytona"
        finally:
            await daytona.delete(made)

    async def test_everything_asked_for_is_kept(self, daytona: AsyncDaytona) -> None:
        params = CreateSandboxFromSnapshotParams(
            name=unique("full"),
            env_vars={"GREETING": "hi there"},
            labels={"app": "test"},
            public=True,
            auto_stop_interval=0,
            auto_archive_interval=60,
            auto_delete_interval=120,
            ttl_minutes=30,
            network_block_all=True,
        )
        made = await daytona.create(params)
        try:
            found = await daytona.get(made.name)
            assert (found.id, found.env) == (made.id, {"GREETING": "hi there"})
            assert (found.public, found.network_block_all) == (True, True)
            assert (found.auto_stop_interval, found.auto_archive_interval) == (0, 60)
            assert (await made.process.exec("echo $GREETING")).result == "hi there\n"
        finally:
            await daytona.delete(made)

    async def test_a_taken_name_is_a_conflict_and_free_after_delete(
        self, daytona: AsyncDaytona
    ) -> None:
        params = CreateSandboxFromSnapshotParams(name=unique("taken"))
        first = await daytona.create(params)

        with pytest.raises(DaytonaConflictError, match="already exists"):
            await daytona.create(params)
        await daytona.delete(first)
        second = await daytona.create(params)

        assert second.id != first.id
        await daytona.delete(second)

    async def test_of_many_with_one_name_exactly_one_is_made(self, daytona: AsyncDaytona) -> None:
        params = CreateSandboxFromSnapshotParams(name=unique("race"))

        found = await asyncio.gather(
            *(daytona.create(params) for _ in range(5)), return_exceptions=True
        )

        made = [item for item in found if isinstance(item, AsyncSandbox)]
        assert len(made) == 1
        await daytona.delete(made[0])

    async def test_an_unknown_snapshot_is_refused(self, daytona: AsyncDaytona) -> None:
        with pytest.raises(DaytonaBadRequestError, match="not found"):
            await daytona.create(CreateSandboxFromSnapshotParams(snapshot="none:1"))

    async def test_a_plain_image_gets_the_prepared_root(self, daytona: AsyncDaytona) -> None:
        params = CreateSandboxFromImageParams(
            image="python:3.12", resources=Resources(cpu=1, memory=1, disk=1)
        )
        logs: list[str] = []
        made = await daytona.create(params, on_snapshot_create_logs=logs.append)

        assert made.state == "started"
        assert "prepared root" in "".join(logs)
        assert (made.cpu, made.memory, made.disk) == (1, 1, 1)
        await daytona.delete(made)

    async def test_an_image_with_build_steps_is_refused_in_words(
        self, daytona: AsyncDaytona
    ) -> None:
        image = Image.debian_slim("3.12").pip_install(["numpy"])

        with pytest.raises(DaytonaError, match="declarative images with build steps") as refusal:
            await daytona.create(CreateSandboxFromImageParams(image=image))

        assert refusal.value.status_code == 501


class TestStates:
    async def test_stop_and_start_keep_the_files(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_file(b"kept", "kept.txt")

        await sandbox.stop()
        stopped = sandbox.state
        await sandbox.start()

        assert (stopped, sandbox.state) == ("stopped", "started")
        assert await sandbox.fs.download_file("kept.txt") == b"kept"

    async def test_start_is_idempotent_and_stop_is_not(self, sandbox: AsyncSandbox) -> None:
        await sandbox.start()
        await sandbox.stop()

        with pytest.raises(DaytonaBadRequestError, match="not in a stoppable state"):
            await sandbox.stop()

    async def test_a_stopped_sandbox_takes_no_commands(self, sandbox: AsyncSandbox) -> None:
        await sandbox.stop(force=True)

        with pytest.raises(DaytonaBadRequestError, match="Is the Sandbox started"):
            await sandbox.process.exec("true")

    async def test_archive_wants_a_stopped_sandbox_and_start_brings_it_back(
        self, sandbox: AsyncSandbox
    ) -> None:
        with pytest.raises(DaytonaBadRequestError):
            await sandbox.archive()
        await sandbox.fs.upload_file(b"kept", "kept.txt")
        await sandbox.stop()
        await sandbox.archive()
        archived = sandbox.state
        await sandbox.start()

        assert archived == "archived"
        assert await sandbox.fs.download_file("kept.txt") == b"kept"

    async def test_an_ephemeral_sandbox_is_gone_when_stopped(self, daytona: AsyncDaytona) -> None:
        made = await daytona.create(CreateSandboxFromSnapshotParams(ephemeral=True))

        # The SDK reads the sandbox after a stop, and this one is no longer there.
        with suppress(DaytonaNotFoundError):
            await made.stop()

        with pytest.raises(DaytonaNotFoundError):
            await daytona.get(made.id)

    async def test_delete_waits_until_it_is_gone(self, daytona: AsyncDaytona) -> None:
        made = await daytona.create()

        await made.delete(wait=True)

        with pytest.raises(DaytonaNotFoundError):
            await daytona.get(made.id)
        with pytest.raises(DaytonaNotFoundError):
            await daytona.get(made.name)


class TestSettings:
    async def test_intervals_are_set_and_checked(self, sandbox: AsyncSandbox) -> None:
        await sandbox.set_autostop_interval(30)
        await sandbox.set_auto_archive_interval(60)
        await sandbox.set_auto_delete_interval(-1)
        await sandbox.refresh_data()

        assert (sandbox.auto_stop_interval, sandbox.auto_archive_interval) == (30, 60)
        assert sandbox.auto_delete_interval == -1

    async def test_labels_are_replaced_whole(self, sandbox: AsyncSandbox) -> None:
        assert await sandbox.set_labels({"only": "this"}) == {"only": "this"}

        await sandbox.refresh_data()
        assert sandbox.labels == {"only": "this"}

    async def test_activity_moves_the_clock(self, sandbox: AsyncSandbox) -> None:
        before = sandbox.last_activity_at

        await sandbox.refresh_activity()
        await sandbox.refresh_data()

        assert (sandbox.last_activity_at or "") > (before or "")

    async def test_network_settings_are_kept_and_checked(self, sandbox: AsyncSandbox) -> None:
        await sandbox.update_network_settings(domain_allow_list="example.com,*.example.org")
        await sandbox.refresh_data()

        assert sandbox.domain_allow_list == "example.com,*.example.org"
        with pytest.raises(DaytonaBadRequestError, match="networkAllowList"):
            await sandbox.update_network_settings(network_allow_list="not-a-network")


class TestList:
    async def test_labels_states_and_pages(self, daytona: AsyncDaytona) -> None:
        tag = unique("tag")
        made = [
            await daytona.create(CreateSandboxFromSnapshotParams(labels={"tag": tag, "n": str(n)}))
            for n in range(3)
        ]
        await made[0].stop()
        try:
            everything = ListSandboxesQuery(labels={"tag": tag}, limit=2)
            running = ListSandboxesQuery(labels={"tag": tag}, states=[SandboxState.STARTED])
            one = ListSandboxesQuery(labels={"tag": tag, "n": "2"})
            by_name = ListSandboxesQuery(name=made[1].name.upper())

            assert {s.id async for s in daytona.list(everything)} == {s.id for s in made}
            assert {s.id async for s in daytona.list(running)} == {s.id for s in made[1:]}
            assert [s.id async for s in daytona.list(one)] == [made[2].id]
            assert [s.id async for s in daytona.list(by_name)] == [made[1].id]
        finally:
            for sandbox in made:
                await daytona.delete(sandbox)


class TestRefusals:
    async def test_a_wrong_key_opens_nothing(self, host: HostProcess) -> None:
        config = DaytonaConfig(api_key="wrong-key", api_url=host.api_url, target="local")
        async with AsyncDaytona(config) as stranger:
            with pytest.raises(DaytonaAuthenticationError):
                await stranger.get("anything")

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("GET", "/api/sandbox/none", None, 404),
            ("GET", "/api/no-such-route", None, 404),
            ("POST", "/api/sandbox", b"{not json", 400),
            ("POST", "/api/sandbox", b"[]", 400),
            ("POST", "/api/sandbox", b'{"cpu": "two"}', 400),
            ("POST", "/api/sandbox", b'{"env": {"A=B": "x"}}', 400),
            ("POST", "/api/sandbox", b'{"memory": 4}', 400),
            ("GET", "/api/sandbox?limit=0", None, 400),
            ("GET", "/api/sandbox?cursor=%25%25", None, 400),
            ("GET", "/api/sandbox?labels=[1]", None, 400),
            ("PATCH", "/api/sandbox", None, 405),
            ("POST", "/api/sandbox/none/fork", None, 501),
            ("POST", "/api/sandbox/none/pause", None, 422),
            ("GET", "/toolbox/none/files", None, 404),
        ],
    )
    async def test_every_refusal_is_in_the_envelope(
        self,
        host: HostProcess,
        http: aiohttp.ClientSession,
        method: str,
        path: str,
        body: bytes | None,
        status: int,
    ) -> None:
        async with http.request(method, host.url + path, data=body) as answer:
            said = await answer.json()

        assert answer.status == said["statusCode"] == status
        assert said["message"]
        assert said["source"] == "DAYTONA_API"

    async def test_health_and_config_need_no_key_and_name_the_isolation(
        self, host: HostProcess, browser: aiohttp.ClientSession
    ) -> None:
        async with browser.get(f"{host.api_url}/health") as answer:
            health = await answer.json()
        async with browser.get(f"{host.api_url}/config") as answer:
            config = await answer.json()

        assert health["isolation"] == config["isolation"] == "bubblewrap"
        assert config["proxyTemplateUrl"] == (
            f"http://{{{{PORT}}}}-{{{{sandboxId}}}}.proxy.localhost:{host.port}"
        )


class TestEvents:
    async def test_a_change_is_told_to_who_waits(self, host: HostProcess) -> None:
        heard: list[tuple[str, str]] = []
        listener = socketio.AsyncClient()
        listener.on(
            "sandbox.state.updated",
            lambda body: heard.append((body["sandbox"]["id"], body["newState"])),
        )
        await listener.connect(
            host.url,
            socketio_path="/api/socket.io",
            auth={"token": host.key},
            transports=["websocket"],
        )
        config = DaytonaConfig(api_key=host.key, api_url=host.api_url, target="local")
        async with AsyncDaytona(config) as daytona:
            made = await daytona.create()
            await made.stop()
            await made.delete(wait=True)
        await listener.disconnect()

        states = [state for sandbox_id, state in heard if sandbox_id == made.id]
        assert states == ["started", "stopping", "stopped", "destroying", "destroyed"]

    async def test_a_stranger_is_not_told(self, host: HostProcess) -> None:
        listener = socketio.AsyncClient()

        with pytest.raises(socketio.exceptions.ConnectionError):
            await listener.connect(
                host.url,
                socketio_path="/api/socket.io",
                auth={"token": "wrong"},
                transports=["websocket"],
            )

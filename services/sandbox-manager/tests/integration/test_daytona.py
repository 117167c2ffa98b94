"""The provider's port in memory and at the real local host; the SDK's errors, all of them."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.errors import ErrorCode, ForbiddenError, RateLimitedError
from common.ids import new_id
from common.preview import PreviewGuard
from daytona.common import errors as sdk
from local_platform.daytona.testing import HostProcess
from sandbox_manager.adapters.daytona.errors import ERRORS, kind_of, translated
from sandbox_manager.adapters.daytona.provider import DaytonaProvider, open_daytona
from sandbox_manager.adapters.daytona.toolbox import Toolbox
from sandbox_manager.errors import (
    AccountRefusedError,
    LostAnswerError,
    NameTakenError,
    ProviderRefusedError,
    ProviderUnavailableError,
    QuotaExceededError,
    SandboxGoneError,
    SandboxStoppedError,
    SnapshotMissingError,
)
from sandbox_manager.model.provided import ProvidedState
from sandbox_manager.ports.provider import Retention, SandboxOrder, SandboxProvider, Source
from sandbox_manager.settings import Settings

RETENTION = Retention(timedelta(minutes=30), timedelta(days=2), timedelta(days=7))
SNAPSHOT = Settings.model_fields["snapshot"].default


@pytest.fixture(params=["memory", "daytona"])
async def provider(
    request: pytest.FixtureRequest, host: HostProcess, world: Any
) -> AsyncIterator[SandboxProvider]:
    if request.param == "memory":
        world.provider.missing = {"no-such-snapshot"}
        yield world.provider
        return
    guard = PreviewGuard([f"proxy.localhost:{host.port}"])
    async with open_daytona(host.api_url, host.key) as client:
        made = DaytonaProvider(client, guard)
        yield made
        for machine in await made.list({"suite": "contract"}):
            await made.delete(machine.id)


def order(name: str, snapshot: str = SNAPSHOT) -> SandboxOrder:
    labels = {"suite": "contract", "name": name}
    return SandboxOrder(name, Source.SNAPSHOT, snapshot, labels, RETENTION)


class TestProvider:
    async def test_a_life(self, provider: SandboxProvider) -> None:
        name = new_id("box")
        made = await provider.create(order(name))
        assert (made.name, made.state) == (name, ProvidedState.STARTED)
        assert made.labels["suite"] == "contract"

        await provider.stop(made.id)
        await provider.stop(made.id)
        found = await provider.find(name)
        assert found is not None
        assert (found.id, found.state) == (made.id, ProvidedState.STOPPED)

        await provider.start(made.id)
        await provider.start(made.id)
        await provider.refresh_activity(made.id)
        listed = await provider.list({"name": name})
        assert [(one.id, one.state) for one in listed] == [(made.id, ProvidedState.STARTED)]

        await provider.delete(made.id)
        await provider.delete(made.id)
        assert await provider.find(made.id) is None
        assert await provider.find(name) is None
        assert await provider.list({"name": name}) == []

    async def test_a_name_is_given_once(self, provider: SandboxProvider) -> None:
        name = new_id("box")
        await provider.create(order(name))

        with pytest.raises(NameTakenError):
            await provider.create(order(name))

        assert len(await provider.list({"name": name})) == 1

    async def test_a_missing_snapshot_is_told_apart(self, provider: SandboxProvider) -> None:
        with pytest.raises(SnapshotMissingError):
            await provider.create(order(new_id("box"), "no-such-snapshot"))

    async def test_what_is_not_there_is_said(self, provider: SandboxProvider) -> None:
        nobody = "00000000-0000-0000-0000-000000000000"

        assert await provider.find(nobody) is None
        for call in (provider.start, provider.stop):
            with pytest.raises(SandboxGoneError):
                await call(nobody)

    async def test_changes_at_once_follow_each_other(self, provider: SandboxProvider) -> None:
        made = await provider.create(order(new_id("box")))

        await asyncio.gather(provider.stop(made.id), provider.start(made.id))
        await provider.start(made.id)

        found = await provider.find(made.id)
        assert found is not None
        assert found.state is ProvidedState.STARTED

    async def test_an_address_is_of_one_port(self, provider: SandboxProvider) -> None:
        made = await provider.create(order(new_id("box")))

        url = await provider.sign_preview(made.id, 9119, timedelta(hours=1))

        assert url.startswith("http://9119-")
        assert not url.endswith("/")


class TestToolbox:
    async def test_a_stopped_sandbox_is_told_apart(self, host: HostProcess) -> None:
        async with open_daytona(host.api_url, host.key) as client:
            provider = DaytonaProvider(client, PreviewGuard())
            toolbox = Toolbox(provider)
            made = await provider.create(order(new_id("box")))
            assert await toolbox.run(made.id, "echo out; echo err >&2; exit 3") == (
                3,
                "out\nerr\n",
            )
            await provider.stop(made.id)

            with pytest.raises(SandboxStoppedError):
                await toolbox.run(made.id, "true")
            await provider.delete(made.id)

    async def test_a_host_that_is_not_there_is_an_outage(self) -> None:
        async with open_daytona("http://127.0.0.1:9/api", "some-key-of-mine") as client:
            with pytest.raises(ProviderUnavailableError):
                await DaytonaProvider(client, PreviewGuard()).find("x")

    async def test_an_address_the_guard_does_not_know_is_refused(self, host: HostProcess) -> None:
        async with open_daytona(host.api_url, host.key) as client:
            provider = DaytonaProvider(client, PreviewGuard())
            made = await provider.create(order(new_id("box")))

            with pytest.raises(ForbiddenError) as error:
                await provider.sign_preview(made.id, 9119, timedelta(hours=1))

            assert error.value.code is ErrorCode.HOST_REFUSED
            await provider.delete(made.id)


def sdk_classes() -> list[type[sdk.DaytonaError]]:
    classes = [member for _, member in inspect.getmembers(sdk, inspect.isclass)]
    return sorted(
        {c for c in classes if issubclass(c, sdk.DaytonaError)}, key=lambda c: c.__name__
    )


class TestErrors:
    @pytest.mark.parametrize("kind", sdk_classes(), ids=lambda kind: kind.__name__)
    def test_every_class_of_the_sdk_has_a_row(self, kind: type[sdk.DaytonaError]) -> None:
        assert kind in ERRORS
        assert isinstance(translated(kind("text")), ERRORS[kind])

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (sdk.DaytonaBadRequestError("Snapshot x not found", 400), SnapshotMissingError),
            (sdk.DaytonaBadRequestError("Snapshot x is building", 400), SnapshotMissingError),
            (
                sdk.DaytonaBadRequestError("Total CPU limit exceeded. Maximum: 10", 400),
                QuotaExceededError,
            ),
            (
                sdk.DaytonaBadRequestError("CPU request 8 exceeds maximum allowed", 400),
                QuotaExceededError,
            ),
            (sdk.DaytonaBadRequestError("No available runners", 400), ProviderUnavailableError),
            (
                sdk.DaytonaBadRequestError(
                    "bad request: no IP address found. Is the Sandbox started?", 400
                ),
                SandboxStoppedError,
            ),
            (sdk.DaytonaForbiddenError("Organization is suspended", 403), AccountRefusedError),
            (sdk.DaytonaError("500: boom", 500), ProviderUnavailableError),
            (sdk.DaytonaError("400: bad path", 400), ProviderRefusedError),
            (sdk.DaytonaError("not here", 501), ProviderRefusedError),
            (sdk.DaytonaError("entered error state"), ProviderUnavailableError),
            (
                sdk.DaytonaInternalServerError("x not found in cache", 500),
                ProviderUnavailableError,
            ),
            (sdk.DaytonaConnectionTimeoutError("slow"), LostAnswerError),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_what_only_text_and_status_tell(
        self, error: sdk.DaytonaError, expected: type[Exception]
    ) -> None:
        assert kind_of(error) is expected

    @pytest.mark.parametrize(
        "header", ["Retry-After", "retry-after-sandbox-create", "Retry-After-sandbox-lifecycle"]
    )
    def test_when_to_come_back_is_passed_on(self, header: str) -> None:
        before = datetime.now(UTC)

        error = translated(sdk.DaytonaRateLimitError("slow down", 429, {header: "120"}))

        assert isinstance(error, RateLimitedError)
        assert error.retry_at is not None
        assert 110 < (error.retry_at - before).total_seconds() < 130

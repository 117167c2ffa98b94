"""Sandboxes at Daytona, by the official SDK.

An object of the SDK stands for one sandbox and is kept, so that a call inside a sandbox is one
request. Every call has a limit of its own: the SDK has none.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from common.preview import PreviewGuard
from daytona import (
    AsyncDaytona,
    AsyncSandbox,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    DaytonaConfig,
    ListSandboxesQuery,
)
from daytona.common.errors import DaytonaError, DaytonaNotFoundError
from daytona_api_client_async import SandboxState

from sandbox_manager.adapters.daytona.errors import mapped_errors
from sandbox_manager.errors import (
    NameTakenError,
    ProviderUnavailableError,
    SandboxBrokenError,
    SandboxBusyError,
    SandboxGoneError,
    SnapshotMissingError,
)
from sandbox_manager.model.provided import ProvidedSandbox, ProvidedState
from sandbox_manager.model.record import Resources
from sandbox_manager.ports.provider import SandboxOrder, SandboxProvider, Source

REQUEST_S = 20.0
CREATE_S = 180.0
CHANGE_S = 90.0
_POLL_S = 0.25
_KEPT = 1000

STATES: Mapping[str, ProvidedState] = {
    "started": ProvidedState.STARTED,
    "stopped": ProvidedState.STOPPED,
    "archived": ProvidedState.STOPPED,
    "paused": ProvidedState.STOPPED,
    "error": ProvidedState.FAILED,
    "build_failed": ProvidedState.FAILED,
    "destroyed": ProvidedState.GONE,
    "destroying": ProvidedState.GONE,
}
"""Every other state is on its way to one of these."""


def open_daytona(api_url: str, api_key: str) -> AsyncDaytona:
    """The SDK's client; call it where an event loop runs, and close it."""
    return AsyncDaytona(DaytonaConfig(api_url=api_url, api_key=api_key))


class DaytonaProvider(SandboxProvider):
    def __init__(self, client: AsyncDaytona, guard: PreviewGuard) -> None:
        self._client = client
        self._guard = guard
        self._known: OrderedDict[str, AsyncSandbox] = OrderedDict()

    async def create(self, order: SandboxOrder) -> ProvidedSandbox:
        try:
            with mapped_errors():
                sandbox = await self._client.create(_params(order), timeout=CREATE_S)
        except SandboxGoneError as exc:
            raise SnapshotMissingError(exc.detail) from exc
        return _provided(self._keep(sandbox))

    async def find(self, id_or_name: str) -> ProvidedSandbox | None:
        with mapped_errors():
            try:
                sandbox = await self._client.get(id_or_name, request_timeout=REQUEST_S)
            except DaytonaNotFoundError:
                self._known.pop(id_or_name, None)
                return None
        provided = _provided(self._keep(sandbox))
        return None if provided.state is ProvidedState.GONE else provided

    async def list(self, labels: Mapping[str, str]) -> Sequence[ProvidedSandbox]:
        query = ListSandboxesQuery(labels=dict(labels), limit=200)
        with mapped_errors():
            found = [
                _provided(sandbox)
                async for sandbox in self._client.list(query, request_timeout=REQUEST_S)
            ]
        return [sandbox for sandbox in found if sandbox.state is not ProvidedState.GONE]

    async def start(self, sandbox_id: str) -> None:
        with _changing():
            sandbox = await self._settled(sandbox_id)
            match _state(sandbox):
                case ProvidedState.STARTED:
                    return
                case ProvidedState.FAILED if sandbox.recoverable:
                    await sandbox.recover(timeout=CHANGE_S)
                case ProvidedState.FAILED:
                    raise SandboxBrokenError.because(sandbox.error_reason)
                case _:
                    await sandbox.start(timeout=CHANGE_S)

    async def stop(self, sandbox_id: str) -> None:
        with _changing():
            sandbox = await self._settled(sandbox_id)
            if _state(sandbox) is ProvidedState.STARTED:
                await sandbox.stop(timeout=CHANGE_S)

    async def delete(self, sandbox_id: str) -> None:
        with contextlib.suppress(SandboxGoneError), _changing():
            sandbox = await self.sandbox(sandbox_id)
            await sandbox.delete(timeout=REQUEST_S)
        self._known.pop(sandbox_id, None)

    async def refresh_activity(self, sandbox_id: str) -> None:
        with mapped_errors():
            await (await self.sandbox(sandbox_id)).refresh_activity(request_timeout=REQUEST_S)

    async def sign_preview(self, sandbox_id: str, port: int, ttl: timedelta) -> str:
        with mapped_errors():
            sandbox = await self.sandbox(sandbox_id)
            signed = await sandbox.create_signed_preview_url(
                port, expires_in_seconds=int(ttl.total_seconds()), request_timeout=REQUEST_S
            )
        return self._guard.check(signed.url.rstrip("/"))

    async def sandbox(self, sandbox_id: str) -> AsyncSandbox:
        """The SDK's object for calls inside the sandbox."""
        known = self._known.get(sandbox_id)
        return known if known is not None else await self._fresh(sandbox_id)

    async def _settled(self, sandbox_id: str) -> AsyncSandbox:
        """As it is when whatever changes it has ended: Daytona refuses a change during another."""
        deadline = asyncio.get_running_loop().time() + CHANGE_S
        while _state(sandbox := await self._fresh(sandbox_id)) is ProvidedState.CHANGING:
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(_POLL_S)
        return sandbox

    async def _fresh(self, sandbox_id: str) -> AsyncSandbox:
        return self._keep(await self._client.get(sandbox_id, request_timeout=REQUEST_S))

    def _keep(self, sandbox: AsyncSandbox) -> AsyncSandbox:
        self._known[sandbox.id] = sandbox
        self._known.move_to_end(sandbox.id)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return sandbox

    async def ping(self) -> None:
        """Raise unless the provider answers; one that says no is up."""
        try:
            await self._client.get("tryskills-readiness", request_timeout=REQUEST_S)
        except DaytonaNotFoundError:
            return
        except DaytonaError as exc:
            message = "the sandbox provider does not answer"
            raise ProviderUnavailableError(message) from exc


@contextlib.contextmanager
def _changing() -> Iterator[None]:
    """A conflict means that something else changes the sandbox at this moment."""
    try:
        with mapped_errors():
            yield
    except NameTakenError as exc:
        message = "the sandbox is changing state; try again in a moment"
        raise SandboxBusyError(message) from exc


def _params(
    order: SandboxOrder,
) -> CreateSandboxFromSnapshotParams | CreateSandboxFromImageParams:
    common = {
        "name": order.name,
        "labels": dict(order.labels),
        "public": False,
        "auto_stop_interval": _minutes(order.retention.stop),
        "auto_archive_interval": _minutes(order.retention.archive),
        "auto_delete_interval": _minutes(order.retention.delete),
    }
    if order.source is Source.SNAPSHOT:
        return CreateSandboxFromSnapshotParams(snapshot=order.image, **common)
    return CreateSandboxFromImageParams(image=order.image, **common)


def _minutes(period: timedelta) -> int:
    return int(period.total_seconds() // 60)


def _provided(sandbox: AsyncSandbox) -> ProvidedSandbox:
    return ProvidedSandbox(
        id=sandbox.id,
        name=sandbox.name,
        state=_state(sandbox),
        labels=sandbox.labels,
        reason=sandbox.error_reason or "",
        resources=Resources(cpu=sandbox.cpu, memory_gib=sandbox.memory, disk_gib=sandbox.disk),
    )


def _state(sandbox: AsyncSandbox) -> ProvidedState:
    state = sandbox.state.value if isinstance(sandbox.state, SandboxState) else ""
    return STATES.get(state, ProvidedState.CHANGING)

"""Request/reply between services over `nats.micro`.

nats-py runs the callbacks of one subscription one after another, and `nats.micro` endpoints too,
so a slow handler would hold up every caller: the callback only starts a task, bounded by a
semaphore. Replies are published to the request's reply subject rather than through `respond`,
which copies the request's headers into the reply. The text of a bug never leaves the process: the
caller gets `internal`.

Every request carries its deadline (`Deadline`, milliseconds since the epoch): a handler stops when
its caller has gone.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.micro import add_service
from nats.micro.request import ERROR_CODE_HEADER, ERROR_HEADER
from nats.micro.request import Request as MicroRequest
from nats.micro.service import Service
from opentelemetry.trace import SpanKind
from pydantic import BaseModel, ValidationError

from common.contracts.base import ReplyT, RequestT, Rpc
from common.errors import (
    CLASS_OF,
    AppError,
    ErrorCode,
    InternalError,
    InvalidError,
    TooLargeError,
    UnavailableError,
)
from common.messaging.connection import INBOX
from common.metrics.table import OK, RPC_ANSWERED, RPC_ASKED, RPC_RUNNING
from common.telemetry.tracing import extract_context, failed, inject_context, span

logger = logging.getLogger(__name__)

Handler = Callable[[RequestT], Awaitable[ReplyT]]

DEADLINE_HEADER = "Deadline"
_CANCELLED = "cancelled"
MAX_BODY = 768 * 1024
DEFAULT_TIMEOUT = timedelta(seconds=10)
_DRAIN_S = 10.0
_PING_S = 1.0
_PAUSE_S = 0.5
_LOOK_S = 1.0
_NOBODY_YET_S = (0.05, 0.2)
"""A subscription reaches other connections a moment after it was made, so nobody may mean not yet:
nothing was handled, and asking again is safe."""


class RpcServer:
    """Serves a service's RPCs; an asynchronous context manager that drains when it is left."""

    def __init__(
        self, connection: Client, *, service: str, version: str = "1.0.0", concurrency: int = 512
    ) -> None:
        self._connection = connection
        self._service_name = service
        self._version = version
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._service: Service | None = None

    async def __aenter__(self) -> Self:
        self._service = await add_service(
            self._connection,
            name=self._service_name,
            version=self._version,
            queue_group=self._service_name,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.drain()

    async def drain(self) -> None:
        """Take no more requests, and let those under way finish; whose time is up is told to ask
        somebody else.
        """
        service, self._service = self._service, None
        if service is not None and not self._connection.is_closed:
            try:
                async with asyncio.timeout(_DRAIN_S):
                    await service.stop()
            except (NatsError, TimeoutError) as exc:
                # Without the bus nobody asks anyway.
                logger.warning("endpoints not withdrawn: %s", type(exc).__name__)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_DRAIN_S)
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def serve(
        self,
        rpc: Rpc[RequestT, ReplyT],
        handler: Handler[RequestT, ReplyT],
        *,
        target: str | None = None,
    ) -> None:
        """Answer `rpc` with `handler`; with `target`, only what is addressed to this process."""
        if self._service is None:
            message = "serve() before entering the server"
            raise RuntimeError(message)

        async def on_request(message: MicroRequest) -> None:
            if not _is_asked(message):
                logger.warning("%s was told something by nobody who can be answered", rpc.subject)
                return
            task = asyncio.create_task(self._answer(rpc, handler, message))  # noqa: TID251 (held in a set, drained on exit)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        await self._service.add_endpoint(
            name=f"{rpc.verb}-{target}" if target else rpc.verb,
            subject=subject_of(rpc, target),
            handler=on_request,
        )

    async def _answer(
        self, rpc: Rpc[RequestT, ReplyT], handler: Handler[RequestT, ReplyT], message: MicroRequest
    ) -> None:
        began, code = time.perf_counter(), _CANCELLED
        context = extract_context(message.headers)
        try:
            with RPC_RUNNING, span(rpc.subject, kind=SpanKind.SERVER, parent=context) as current:
                async with self._slots:
                    code = await self._answered(rpc, handler, message)
                if code != OK:
                    failed(current, code)
        finally:
            took = time.perf_counter() - began
            RPC_ANSWERED.record(took, subject=rpc.subject, code=code)

    async def _answered(
        self, rpc: Rpc[RequestT, ReplyT], handler: Handler[RequestT, ReplyT], message: MicroRequest
    ) -> str:
        """How it ended: the code of the refusal, or `ok`."""
        try:
            await message.respond(await _reply_body(rpc, handler, message))
        except AppError as exc:
            return await _refuse(message, exc)
        except TimeoutError:
            return await _refuse(message, _late(rpc))
        except asyncio.CancelledError:
            await _refuse(message, UnavailableError(f"{rpc.service} is stopping"))
            raise
        except Exception:
            logger.exception("%s failed", rpc.subject)
            return await _refuse(message, InternalError("something went wrong on our side"))
        return OK


async def _reply_body(
    rpc: Rpc[RequestT, ReplyT], handler: Handler[RequestT, ReplyT], message: MicroRequest
) -> bytes:
    request = parse_request(rpc, message.data)
    async with asyncio.timeout(_seconds_left(message.headers or {})):
        reply = await handler(request)
    body = reply.model_dump_json().encode()
    if len(body) > MAX_BODY:
        raise TooLargeError(f"the answer of {rpc.subject} is too large for a message")
    return body


class RpcClient:
    """Calls other services; typed replies, or the error that the server raised."""

    def __init__(self, connection: Client, *, timeout: timedelta = DEFAULT_TIMEOUT) -> None:
        self._connection = connection
        self._timeout = timeout

    async def call(
        self,
        rpc: Rpc[RequestT, ReplyT],
        request: RequestT,
        *,
        within: timedelta | None = None,
        target: str | None = None,
        patience: timedelta = timedelta(0),
    ) -> ReplyT:
        """Ask and wait `within` that time. With `patience`, ask again for so long while nobody
        answers: for what may be asked twice. Who says when to come back has answered.

        Raises:
            AppError: what the server raised, or UnavailableError when nobody answered in time.
        """
        ends = time.monotonic() + patience.total_seconds()
        while True:
            try:
                return await self._measured(rpc, request, within, target)
            except UnavailableError as exc:
                if exc.retry_at is not None or time.monotonic() + _PAUSE_S > ends:
                    raise
            await asyncio.sleep(_PAUSE_S)

    async def _measured(
        self,
        rpc: Rpc[RequestT, ReplyT],
        request: RequestT,
        within: timedelta | None,
        target: str | None,
    ) -> ReplyT:
        began, code = time.perf_counter(), _CANCELLED
        try:
            with span(rpc.subject, kind=SpanKind.CLIENT):
                reply = await self._call(rpc, request, within, target)
            code = OK
        except AppError as exc:
            code = str(exc.code)
            raise
        finally:
            RPC_ASKED.record(time.perf_counter() - began, subject=rpc.subject, code=code)
        return reply

    async def _call(
        self,
        rpc: Rpc[RequestT, ReplyT],
        request: RequestT,
        within: timedelta | None,
        target: str | None,
    ) -> ReplyT:
        seconds = (within or self._timeout).total_seconds()
        headers = inject_context({DEADLINE_HEADER: str(int((time.time() + seconds) * 1000))})
        body = request.model_dump_json().encode()
        reply = await self._ask(rpc, subject_of(rpc, target), body, headers, seconds=seconds)
        if reply.headers and ERROR_CODE_HEADER in reply.headers:
            raise error_from_wire(reply.data)
        return _read_reply(rpc, reply.data)

    async def _ask(
        self,
        rpc: Rpc[Any, Any],
        subject: str,
        body: bytes,
        headers: dict[str, str],
        *,
        seconds: float,
    ) -> Msg:
        for pause_s in _NOBODY_YET_S:
            with contextlib.suppress(NoRespondersError):
                return await self._ask_once(rpc, subject, body, headers, seconds=seconds)
            await asyncio.sleep(pause_s)
        try:
            return await self._ask_once(rpc, subject, body, headers, seconds=seconds)
        except NoRespondersError as exc:
            raise UnavailableError(f"{rpc.service} is not running") from exc

    async def _ask_once(
        self,
        rpc: Rpc[Any, Any],
        subject: str,
        body: bytes,
        headers: dict[str, str],
        *,
        seconds: float,
    ) -> Msg:
        asked = self._connection.request(subject, body, timeout=seconds, headers=headers)
        try:
            if seconds <= DEFAULT_TIMEOUT.total_seconds():
                return await asked
            return await self._uninterrupted(asked)
        except NatsTimeoutError as exc:
            raise _late(rpc) from exc
        except NoRespondersError:
            raise
        except (NatsError, OSError) as exc:
            # Closed, reconnecting, or breaking under the request.
            message = "the message bus does not answer"
            raise UnavailableError(message) from exc

    async def _uninterrupted(self, asked: Awaitable[Msg]) -> Msg:
        """The reply, unless the connection was lost meanwhile: a reply that went with it would be
        waited for until the end of a long patience.
        """
        reply, lost = asyncio.ensure_future(asked), self._connection.stats["reconnects"]
        try:
            while not reply.done():
                await asyncio.wait({reply}, timeout=_LOOK_S)
                if not reply.done() and self._connection.stats["reconnects"] != lost:
                    message = "the message bus was interrupted"
                    raise UnavailableError(message)
            return reply.result()
        finally:
            reply.cancel()

    async def ping(self, service: str) -> None:
        """Raise UnavailableError unless a process of `service` answers within a second."""
        try:
            await self._connection.request(f"$SRV.PING.{service}", timeout=_PING_S)
        except (NatsError, TimeoutError) as exc:
            message = f"{service} does not answer"
            raise UnavailableError(message) from exc


def _is_asked(message: MicroRequest) -> bool:
    """Whether a client asked. What a stream delivers carries another reply subject, and a stream
    delivers what its writers wrote to wherever a consumer says.
    """
    return (message._msg.reply or "").startswith(INBOX)


def subject_of(rpc: Rpc[Any, Any], target: str | None) -> str:
    return f"{rpc.subject}.{target}" if target else rpc.subject


def parse_request(rpc: Rpc[RequestT, Any], data: bytes) -> RequestT:
    """Validate; the error names the fields and never repeats a value, which may be a secret."""
    try:
        return rpc.request.model_validate_json(data)
    except ValidationError as exc:
        raise InvalidError(validation_detail(exc)) from None


def validation_detail(exc: ValidationError) -> str:
    problems = exc.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, p['loc'])) or 'body'}: {p['msg']}" for p in problems)


def _read_reply(rpc: Rpc[Any, ReplyT], data: bytes) -> ReplyT:
    try:
        return rpc.reply.model_validate_json(data)
    except ValidationError as exc:
        logger.error("%s: the reply is not readable", rpc.subject)  # noqa: TRY400 (its values may be secret)
        message = f"{rpc.service} answered with something we cannot read"
        raise InternalError(message) from exc


class _WireError(BaseModel):
    code: str
    detail: str
    retry_at: datetime | None = None
    extra: dict[str, Any] = {}


def error_to_wire(error: AppError) -> bytes:
    wire = _WireError(
        code=error.code, detail=error.detail, retry_at=error.retry_at, extra=error.extra
    )
    return wire.model_dump_json().encode()


def error_from_wire(data: bytes) -> AppError:
    """The error as its server raised it; a code this process does not know becomes `internal`."""
    try:
        wire = _WireError.model_validate_json(data)
        code = ErrorCode(wire.code)
    except (ValidationError, ValueError):
        return InternalError("another service answered with an error we cannot read")
    return CLASS_OF[code](wire.detail, code=code, retry_at=wire.retry_at, extra=wire.extra)


async def _refuse(message: MicroRequest, error: AppError) -> str:
    """Tell the caller; the error's code."""
    text = json.dumps(error.detail, ensure_ascii=True)[1:-1]
    headers = {ERROR_HEADER: text[:500], ERROR_CODE_HEADER: str(error.code)}
    await message.respond(error_to_wire(error), headers=headers)
    return str(error.code)


def _seconds_left(headers: dict[str, str]) -> float | None:
    deadline = headers.get(DEADLINE_HEADER, "")
    return max(int(deadline) / 1000 - time.time(), 0.0) if deadline.isdigit() else None


def _late(rpc: Rpc[Any, Any]) -> UnavailableError:
    return UnavailableError(
        f"{rpc.service} did not answer in time", code=ErrorCode.DEADLINE_EXCEEDED
    )

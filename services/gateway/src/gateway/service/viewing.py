"""Following one journal: what is history first, then what is live, each number once.

The journal is subscribed to before history is asked for, so nothing falls between. Live entries
wait in a buffer that is bounded in bytes; a viewer that reads too slowly ends with an error and
comes back by number. A gap in the numbers, and an interruption of the message bus, send the viewer
back to history from the last number it has. So does silence in the middle of a turn: a gap is seen
only by what follows it, and nothing follows the last entry.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from common.errors import AppError, ErrorCode, RateLimitedError, UnavailableError

from gateway.model.frames import Frame, frame_of
from gateway.model.order import Order, Place
from gateway.ports import Journals, Subscription

TICK = timedelta(seconds=1)
STUCK_TICKS = 30
LOOK_TICKS = 5
_REST = b"turn.ended"
_MOST_LOOK_TICKS = 320
_WAITS_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)


@dataclass(frozen=True)
class Page:
    """A piece of history; `is_over` when the journal has ended and no piece follows."""

    frames: list[Frame]
    has_more: bool = False
    is_over: bool = False


@dataclass(frozen=True)
class Source:
    """A journal: its subject, how to ask for entries after a number, and the type of its last
    entry where it has one.
    """

    subject: str
    history: Callable[[int], Awaitable[Page]]
    last_type: bytes | None = None
    owner_id: str = field(kw_only=True)


class Viewer:
    """One client's place in one journal; after the last batch `error` says why, if not for good
    reason.

    An entry that comes while the reader of `batches` waits goes straight to `pass_on`, if there is
    one: waking a task would cost as much again as all else that is done for it. What `pass_on`
    does not take, being unable to without waiting, comes in a batch.
    """

    def __init__(self, source: Source, *, after: int, limit_bytes: int) -> None:
        self.error: AppError | None = None
        self.is_sending = False
        self.is_counted = True
        self.owner_id = source.owner_id
        self.on_stuck: Callable[[], object] = self.close
        self.pass_on: Callable[[Frame], bool] | None = None
        self._source = source
        self._order = Order(after)
        self._limit = limit_bytes
        self._live: list[Frame] = []
        self._live_bytes = 0
        self._has_news = False
        self._waiting: asyncio.Future[None] | None = None
        self._is_closed = False
        self._is_behind = False
        self._quiet_ticks = 0
        self._most_quiet_ticks = 0
        self._sending_ticks = 0
        self._silent_ticks = 0
        self._look_after = LOOK_TICKS
        self._last_type = b""
        self._first: Page | None = None
        self._announced = b""

    @property
    def waiting_bytes(self) -> int:
        return self._live_bytes

    def announce(self, event: bytes) -> None:
        """Something beside the journal, told at once to whoever watches an open session: it has
        no number and is not repeated. A journal that ends is watched for itself.
        """
        if self._source.last_type is None and not self._is_closed:
            self._announced += event
            self._wake()

    def take_announced(self) -> bytes:
        announced, self._announced = self._announced, b""
        return announced

    def on_body(self, body: bytes) -> None:
        """Take what is live, a line for each entry."""
        if self._is_closed:
            return
        if b"\n" not in body:
            frame = frame_of(body)
            if frame is None or self._is_passed_on(frame):
                return
            self._live.append(frame)
        else:
            self._live += filter(None, map(frame_of, body.split(b"\n")))
        self._live_bytes += len(body)
        if self._live_bytes > self._limit:
            detail = "this viewer reads too slowly; come back from the last number you have"
            self._end(RateLimitedError(detail, code=ErrorCode.SLOW_VIEWER))
        self._wake()

    async def begin(self) -> None:
        """Ask for the first piece of history. Raises what the owning service raises."""
        self._first = await self._source.history(self._order.sent)

    async def batches(self, *, quiet: int) -> AsyncIterator[list[Frame]]:
        """Frames as they come; an empty batch when nothing came for `quiet` ticks, or when
        something is announced.
        """
        self._most_quiet_ticks = quiet
        async for frames in self._catch_up(self._first):
            yield frames
        while not self._is_closed:
            await self._news()
            live, self._live, self._live_bytes = self._live, [], 0
            admitted, refused = self._admit(live)
            if admitted:
                yield admitted
            if refused or self._is_behind:
                async for frames in self._repair(refused):
                    yield frames
            is_quiet = self._quiet_ticks >= self._most_quiet_ticks
            if (is_quiet or self._announced) and not self._is_closed:
                self._quiet_ticks = 0
                yield []

    def tick(self, *, is_interrupted: bool) -> None:
        """A second has passed; with an interruption, live entries may have been missed.

        A client that takes nothing at all for long is given up (`on_stuck`).
        """
        self._quiet_ticks += 1
        self._sending_ticks = self._sending_ticks + 1 if self.is_sending else 0
        if self._sending_ticks == STUCK_TICKS:
            self.on_stuck()
        self._is_behind = self._is_behind or is_interrupted or self._is_silent()
        if self._is_behind or self._quiet_ticks >= self._most_quiet_ticks:
            self._wake()

    def _is_silent(self) -> bool:
        """Whether to look for what may have been missed: soon, then ever more rarely."""
        self._silent_ticks += 1
        if self._last_type == _REST or self._silent_ticks < self._look_after:
            return False
        self._silent_ticks = 0
        self._look_after = min(self._look_after * 2, _MOST_LOOK_TICKS)
        return True

    def close(self) -> None:
        """End without an error: the client has gone, or shall come back by number."""
        self._end(None)

    def _is_passed_on(self, frame: Frame) -> bool:
        if self.pass_on is None or self._waiting is None or self._waiting.done():
            return False
        if frame.first != self._order.sent + 1 or frame.type == self._source.last_type:
            return False
        if not self.pass_on(frame):
            return False
        self._order.sent = frame.last
        self._count_as_news(frame)
        return True

    def _count_as_news(self, last: Frame) -> None:
        self._quiet_ticks = self._silent_ticks = 0
        self._look_after, self._last_type = LOOK_TICKS, last.type

    def _wake(self) -> None:
        self._has_news = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _news(self) -> None:
        if not self._has_news:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        self._has_news = False

    def _admit(self, frames: list[Frame]) -> tuple[list[Frame], list[Frame]]:
        """What follows on without a gap, and the rest."""
        admitted: list[Frame] = []
        refused: list[Frame] = []
        for index, frame in enumerate(frames):
            place = self._order.admit(frame)
            if place is Place.GAP:
                refused = frames[index:]
                break
            if place is Place.NEXT:
                admitted.append(frame)
                if frame.type == self._source.last_type:
                    self._end(None)
        if admitted:
            self._count_as_news(admitted[-1])
        return admitted, refused

    async def _repair(self, refused: list[Frame]) -> AsyncIterator[list[Frame]]:
        for wait_s in _WAITS_S:
            self._is_behind = False
            async for frames in self._catch_up(None):
                yield frames
            admitted, refused = self._admit(refused)
            if admitted:
                yield admitted
            if not refused or self._is_closed:
                return
            await asyncio.sleep(wait_s)
        self._end(UnavailableError("a part of the journal is missing; come back for it"))

    async def _catch_up(self, page: Page | None) -> AsyncIterator[list[Frame]]:
        while not self._is_closed:
            page = page or await self._ask()
            if page is None:
                return
            admitted, refused = self._admit(page.frames)
            if admitted:
                yield admitted
            if page.is_over:
                self._end(None)
            if refused or not page.has_more:
                return
            page = None

    async def _ask(self) -> Page | None:
        """A piece of history; a service that restarts is waited for, for some seconds."""
        for wait_s in _WAITS_S:
            try:
                return await self._source.history(self._order.sent)
            except UnavailableError as exc:
                failure: AppError = exc
            except AppError as exc:
                self._end(exc)
            if self._is_closed:
                return None
            await asyncio.sleep(wait_s)
        self._end(failure)
        return None

    def _end(self, error: AppError | None) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.error = error
            self._live, self._live_bytes = [], 0
        self._wake()


class Viewers:
    """Everybody who follows a journal through this process."""

    def __init__(
        self,
        journals: Journals,
        *,
        limit_bytes: int,
        most: int = 2000,
        most_of_owner: int = 100,
    ) -> None:
        self._journals = journals
        self._limit = limit_bytes
        self._most = most
        self._most_of_owner = most_of_owner
        self._open: dict[Viewer, Subscription] = {}
        self._of_owner = Counter[str]()
        self._is_draining = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def waiting_bytes(self) -> int:
        """What all viewers together have not taken yet."""
        return sum(viewer.waiting_bytes for viewer in self._open)

    async def open(self, source: Source, *, after: int) -> Viewer:
        """A viewer that stands in the journal; the caller closes it.

        The first piece of history is there already, so a journal that is not the caller's is
        refused before anything of it is sent.
        """
        if self._is_draining:
            message = "this process is about to stop; come back"
            raise UnavailableError(message)
        self._check_room(source.owner_id)
        viewer = Viewer(source, after=after, limit_bytes=self._limit)
        self._of_owner[source.owner_id] += 1
        try:
            self._open[viewer] = await self._journals.follow(source.subject, viewer.on_body)
            await viewer.begin()
        except BaseException:
            await self.close(viewer)
            raise
        return viewer

    async def close(self, viewer: Viewer) -> None:
        if not viewer.is_counted:
            return
        viewer.is_counted = False
        self._of_owner[viewer.owner_id] -= 1
        viewer.close()
        subscription = self._open.pop(viewer, None)
        if subscription is not None:
            subscription.unsubscribe()

    def _check_room(self, owner_id: str) -> None:
        if self._of_owner[owner_id] >= self._most_of_owner:
            message = f"{self._most_of_owner} event streams of yours are open: close one"
            raise RateLimitedError(message)
        if self._of_owner.total() >= self._most:
            message = "too many event streams are open here: come back in a moment"
            raise UnavailableError(message)

    def announce(self, owner_id: str, event: bytes) -> None:
        """Tell an owner's open sessions; bounded by how rarely things are announced."""
        for viewer in self._open:
            if viewer.owner_id == owner_id:
                viewer.announce(event)

    def drain(self) -> None:
        """Take no new viewer and end all; each client comes back by number, elsewhere or later."""
        self._is_draining = True
        for viewer in list(self._open):
            viewer.close()

    async def watch(self) -> None:
        """Tell the viewers, for ever, that time passes and when the bus was interrupted."""
        seen = self._journals.interruptions
        while True:
            await asyncio.sleep(TICK.total_seconds())
            now = self._journals.interruptions
            for viewer in list(self._open):
                viewer.tick(is_interrupted=now != seen)
            seen = now

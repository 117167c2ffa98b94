"""Whatever is split between history and live, doubled, late or missing: each number once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from common.errors import AppError, ErrorCode, NotFoundError, UnavailableError
from common.testing.bus import FakeJournals
from gateway.model.frames import Frame
from gateway.service.viewing import LOOK_TICKS, Page, Source, Viewer, Viewers
from hypothesis import given
from hypothesis import strategies as st

SUBJECT = "test.journal"


def line(number: int, kind: str = "text") -> bytes:
    return b'{"type":"%s","seq":%d,"pad":""}' % (kind.encode(), number)


def frame(first: int, last: int) -> Frame:
    return Frame(first, last, b"text", line(last))


@dataclass
class Told:
    """A journal as its owning service tells it: folds of `fold` entries, pages of `page` folds.

    `written` is how many entries there are; `before_answer` may change the world meanwhile.
    """

    written: int
    fold: int = 1
    page: int = 1000
    failures: list[AppError] = field(default_factory=list)
    before_answer: Callable[[], None] | None = None
    asked: list[int] = field(default_factory=list)
    is_over: bool = False

    async def __call__(self, after: int) -> Page:
        self.asked.append(after)
        if self.failures:
            raise self.failures.pop(0)
        if self.before_answer is not None:
            self.before_answer()
        starts = range(after + 1, self.written + 1, self.fold)
        folds = [frame(first, min(first + self.fold - 1, self.written)) for first in starts]
        has_more = len(folds) > self.page
        return Page(folds[: self.page], has_more=has_more, is_over=self.is_over and not has_more)


async def seen(viewer: Viewer, *, until: int) -> list[tuple[int, int]]:
    """What the viewer shows up to a number; ends sooner when the viewer ends."""
    ranges: list[tuple[int, int]] = []
    async for frames in viewer.batches(quiet=1000):
        ranges += [(shown.first, shown.last) for shown in frames]
        if ranges and ranges[-1][1] >= until:
            break
    return ranges


def is_gapless(ranges: list[tuple[int, int]], *, after: int, last: int) -> bool:
    numbers = [number for first, end in ranges for number in range(first, end + 1)]
    return numbers == list(range(after + 1, last + 1))


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[int, int, list[list[int]]]:
    """A journal of `total` entries, `stored` when the viewer attaches, and what arrives live:
    any numbers in any grouping, some doubled, some lost, the last one always.
    """
    total = draw(st.integers(1, 30))
    stored = draw(st.integers(0, total))
    overlap = draw(st.integers(0, stored))
    numbers = list(range(stored - overlap + 1, total + 1))
    kept = [number for number in numbers if number == total or not draw(st.booleans())]
    doubled = [number for number in kept for _ in range(1 + draw(st.booleans()))]
    groups: list[list[int]] = [[]]
    for number in doubled:
        if draw(st.booleans()):
            groups.append([])
        groups[-1].append(number)
    return total, stored, groups


async def watched(
    told: Told, groups: list[list[int]], *, total: int, after: int, early: int
) -> list[tuple[int, int]]:
    """What a viewer shows when the first `early` groups come before history is told."""
    viewer = Viewer(Source(SUBJECT, told, owner_id="own_x"), after=after, limit_bytes=10**6)
    for group in groups[:early]:
        viewer.on_body(b"\n".join(line(number) for number in group))
    await viewer.begin()
    told.written = total
    watching = asyncio.ensure_future(seen(viewer, until=total))
    for group in groups[early:]:
        await asyncio.sleep(0)
        viewer.on_body(b"\n".join(line(number) for number in group))
    if after >= total:
        viewer.close()
    return await asyncio.wait_for(watching, 5)


class TestOrder:
    @given(
        case=deliveries(),
        after=st.integers(0, 10),
        fold=st.integers(1, 7),
        page=st.integers(1, 4),
        early=st.integers(0, 5),
    )
    def test_each_number_once_and_in_order(
        self, case: tuple[int, int, list[list[int]]], after: int, fold: int, page: int, early: int
    ) -> None:
        total, stored, groups = case
        told = Told(written=stored, fold=fold, page=page)

        ranges = asyncio.run(watched(told, groups, total=total, after=after, early=early))

        assert is_gapless(ranges, after=min(after, total), last=total)

    async def test_what_comes_live_while_history_is_asked_for_is_not_doubled(self) -> None:
        told = Told(written=5, fold=5)
        viewer = Viewer(Source(SUBJECT, told, owner_id="own_x"), after=0, limit_bytes=10**6)
        told.before_answer = lambda: viewer.on_body(b"\n".join([line(4), line(5), line(6)]))
        await viewer.begin()
        told.before_answer = None

        assert await seen(viewer, until=6) == [(1, 5), (6, 6)]

    async def test_a_gap_is_filled_from_history(self) -> None:
        told = Told(written=1)
        viewer = Viewer(Source(SUBJECT, told, owner_id="own_x"), after=0, limit_bytes=10**6)
        await viewer.begin()
        told.written, told.fold = 4, 3
        viewer.on_body(line(5))

        assert await seen(viewer, until=5) == [(1, 1), (2, 4), (5, 5)]
        assert told.asked == [0, 1]

    async def test_an_interruption_of_the_bus_sends_back_to_history(self) -> None:
        told = Told(written=1)
        viewer = Viewer(Source(SUBJECT, told, owner_id="own_x"), after=0, limit_bytes=10**6)
        await viewer.begin()
        told.written = 3

        viewer.tick(is_interrupted=True)

        assert await seen(viewer, until=3) == [(1, 1), (2, 2), (3, 3)]

    async def test_silence_in_the_middle_of_a_turn_sends_back_to_history(self) -> None:
        told = Told(written=2)
        viewer = Viewer(Source(SUBJECT, told, owner_id="own_x"), after=0, limit_bytes=10**6)
        await viewer.begin()
        watching = asyncio.ensure_future(seen(viewer, until=3))
        await asyncio.sleep(0)
        told.written = 3

        for _ in range(LOOK_TICKS):
            viewer.tick(is_interrupted=False)

        assert await asyncio.wait_for(watching, 1) == [(1, 1), (2, 2), (3, 3)]
        assert told.asked == [0, 2]

    async def test_between_turns_nobody_looks(self) -> None:
        told = Told(written=2)
        viewer = Viewer(Source(SUBJECT, told, owner_id="own_x"), after=0, limit_bytes=10**6)
        await viewer.begin()
        watching = asyncio.ensure_future(seen(viewer, until=4))
        viewer.on_body(line(3, "turn.ended"))
        await asyncio.sleep(0)

        for _ in range(LOOK_TICKS * 10):
            viewer.tick(is_interrupted=False)
            await asyncio.sleep(0)
        viewer.on_body(line(4))

        await asyncio.wait_for(watching, 1)
        assert told.asked == [0]

    async def test_a_service_that_restarts_is_waited_for(self) -> None:
        told = Told(written=1)
        viewer = Viewer(Source(SUBJECT, told, owner_id="own_x"), after=0, limit_bytes=10**6)
        await viewer.begin()
        told.written = 2
        told.failures = [UnavailableError("restarting")]

        viewer.tick(is_interrupted=True)

        assert await seen(viewer, until=2) == [(1, 1), (2, 2)]


class TestEnd:
    async def test_a_launch_ends_with_its_last_entry(self) -> None:
        source = Source(SUBJECT, Told(written=2), last_type=b"launch.ended", owner_id="own_x")
        viewer = Viewer(source, after=0, limit_bytes=10**6)
        await viewer.begin()
        viewer.on_body(line(3, "launch.ended"))

        assert await seen(viewer, until=99) == [(1, 1), (2, 2), (3, 3)]
        assert viewer.error is None

    async def test_a_launch_that_has_ended_is_told_and_over(self) -> None:
        source = Source(
            SUBJECT, Told(written=2, page=1, is_over=True), last_type=b"x", owner_id="own_x"
        )
        viewer = Viewer(source, after=0, limit_bytes=10**6)
        await viewer.begin()

        assert await seen(viewer, until=99) == [(1, 1), (2, 2)]

    async def test_who_reads_too_slowly_is_sent_back_by_number(self) -> None:
        viewer = Viewer(
            Source(SUBJECT, Told(written=0), owner_id="own_x"), after=0, limit_bytes=1000
        )
        await viewer.begin()

        for number in range(1, 200):
            viewer.on_body(line(number))

        assert await seen(viewer, until=200) == []
        assert viewer.error is not None
        assert viewer.error.code is ErrorCode.SLOW_VIEWER

    async def test_a_session_that_is_deleted_meanwhile_ends_the_view(self) -> None:
        told = Told(written=1)
        viewer = Viewer(Source(SUBJECT, told, owner_id="own_x"), after=0, limit_bytes=10**6)
        await viewer.begin()
        told.failures = [NotFoundError("gone", code=ErrorCode.SESSION_NOT_FOUND)]

        viewer.tick(is_interrupted=True)

        assert await seen(viewer, until=99) == [(1, 1)]
        assert viewer.error is not None
        assert viewer.error.code is ErrorCode.SESSION_NOT_FOUND

    async def test_quiet_is_told_so_that_connections_stay_open(self) -> None:
        viewer = Viewer(
            Source(SUBJECT, Told(written=0), owner_id="own_x"), after=0, limit_bytes=1000
        )
        await viewer.begin()
        batches = viewer.batches(quiet=2)
        waiting = asyncio.ensure_future(anext(batches))
        for _ in range(2):
            await asyncio.sleep(0)
            viewer.tick(is_interrupted=False)

        assert await waiting == []

    async def test_a_client_that_takes_nothing_is_given_up(self) -> None:
        viewer = Viewer(
            Source(SUBJECT, Told(written=0), owner_id="own_x"), after=0, limit_bytes=1000
        )
        given_up: list[bool] = []
        viewer.on_stuck = lambda: given_up.append(True)
        viewer.is_sending = True

        for _ in range(100):
            viewer.tick(is_interrupted=False)

        assert given_up == [True]


class TestViewers:
    async def test_a_foreign_journal_is_refused_and_left(self, journals: FakeJournals) -> None:
        viewers = Viewers(journals, limit_bytes=1000)
        told = Told(written=1, failures=[NotFoundError("no such session")])

        with pytest.raises(NotFoundError):
            await viewers.open(Source(SUBJECT, told, owner_id="own_x"), after=0)

        assert journals.count() == 0
        assert len(viewers) == 0

    async def test_draining_ends_all_and_takes_no_new_one(self, journals: FakeJournals) -> None:
        viewers = Viewers(journals, limit_bytes=1000)
        source = Source(SUBJECT, Told(written=1), owner_id="own_x")
        viewer = await viewers.open(source, after=0)

        viewers.drain()

        assert await seen(viewer, until=99) == []
        assert viewer.error is None
        with pytest.raises(UnavailableError):
            await viewers.open(source, after=0)

    async def test_closing_twice_is_closing(self, journals: FakeJournals) -> None:
        viewers = Viewers(journals, limit_bytes=1000)
        viewer = await viewers.open(Source(SUBJECT, Told(written=1), owner_id="own_x"), after=0)

        await viewers.close(viewer)
        await viewers.close(viewer)

        assert journals.count() == 0


class TestPassOn:
    @given(st.lists(st.booleans(), min_size=1, max_size=30))
    async def test_every_number_comes_once_whether_or_not_it_can_be_sent_at_once(
        self, can_send: list[bool]
    ) -> None:
        viewer = Viewer(Source("journal.x", Told(0), owner_id="own"), after=0, limit_bytes=10**6)
        await viewer.begin()
        numbers: list[int] = []

        def pass_on(passed: Frame) -> bool:
            if can_send[passed.last - 1]:
                numbers.append(passed.last)
            return can_send[passed.last - 1]

        async def read() -> None:
            async for frames in viewer.batches(quiet=1000):
                numbers.extend(one.last for one in frames)

        viewer.pass_on = pass_on
        reading = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        for number in range(1, len(can_send) + 1):
            viewer.on_body(line(number))
            viewer.on_body(line(number))
            if number % 3:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        viewer.close()
        await asyncio.wait_for(reading, 5)

        assert numbers == list(range(1, len(can_send) + 1))

    async def test_a_gap_is_not_passed_on(self) -> None:
        told = Told(0)
        viewer = Viewer(Source("journal.x", told, owner_id="own"), after=0, limit_bytes=10**6)
        await viewer.begin()
        passed: list[int] = []

        def pass_on(one: Frame) -> bool:
            passed.append(one.last)
            return True

        viewer.pass_on = pass_on
        reading = asyncio.ensure_future(seen(viewer, until=3))
        await asyncio.sleep(0)

        viewer.on_body(line(1))
        told.written = 3
        viewer.on_body(line(3))

        assert await asyncio.wait_for(reading, 5) == [(2, 2), (3, 3)]
        assert passed == [1]

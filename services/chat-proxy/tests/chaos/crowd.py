"""Many sessions that stream at once, each with viewers, while something is broken."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from chaos.answers import Answer
from chaos.count import Count
from chaos.person import Person
from chaos.stage import Stage
from chaos.viewer import Seen, Viewer

PIECES = 60
EVERY_S = 0.15
BREAK_S = (2.0, 6.0)
END_S = 150.0
LATE_S = 60.0
CUTS = (200, 12_000)
_AT_ONCE = 20

Fault = Callable[[Stage], Awaitable[None]]


@dataclass
class Place:
    """A session: its id, the last number anybody has, and everything a steady viewer was told."""

    id: str
    last: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Crowd:
    stage: Stage
    person: Person
    places: list[Place]
    chance: random.Random
    answered: int = 0

    async def round(self, name: str, fault: Fault, count: Count) -> None:
        """A turn in every session, with `fault` in the middle."""
        answers = [Answer(self.answered + n, PIECES, EVERY_S) for n in range(len(self.places))]
        self.answered += len(answers)
        told = asyncio.gather(
            *(
                self._turn(place, answer, f"{name}, answer {answer.number}", count)
                for place, answer in zip(self.places, answers, strict=True)
            ),
            return_exceptions=True,
        )
        await asyncio.sleep(self.chance.uniform(*BREAK_S))
        await fault(self.stage)
        for failure in await told:
            if failure is not None:
                count.without_end += 1
                count.problems.append(f"{name}: {failure!r}")

    async def late(self, count: Count, most: int) -> None:
        """Viewers who come after all is over, from the start and from any number."""
        places = self.chance.sample(self.places, min(most, len(self.places)))
        await asyncio.gather(*(self._late(place, count) for place in places))

    async def _turn(self, place: Place, answer: Answer, name: str, count: Count) -> None:
        # Not all in the same moment, and not later than anything is broken.
        await asyncio.sleep(self.chance.uniform(0, 1))
        asked = time.monotonic()
        turn_id = await self.person.say(place.id, answer.prompt)
        if time.monotonic() - asked > LATE_S:
            count.note("turns taken late")
        answering: list[asyncio.Future[None]] = []

        def on_entry(entry: dict[str, Any]) -> None:
            if entry["type"] == "approval.requested" and entry["turn_id"] == turn_id:
                answering.append(asyncio.ensure_future(self._answer(place, entry, answer)))

        cut = self._viewer(place, on_entry=on_entry, cuts=CUTS)
        steady = self._viewer(place)
        following = asyncio.gather(
            *(one.follow(lambda seen: seen.ended(turn_id)) for one in (cut, steady))
        )
        try:
            async with asyncio.timeout(END_S):
                await following
        except TimeoutError:
            count.note("turns out of time")
        await asyncio.gather(*answering)
        count.cases += 1
        for viewer, kind in ((cut, "cut"), (steady, "steady")):
            count.viewer(viewer.seen, f"{name}, {kind} viewer")
            count.turn(viewer.seen, turn_id, answer, f"{name}, {kind} viewer")
        count.facts_of(steady.seen, turn_id)
        entries = steady.seen.of_turn(turn_id)
        count.approvals(entries, answer, self.stage.agent, self.person)
        place.last = steady.seen.last
        place.told += steady.seen.entries

    async def _answer(self, place: Place, entry: dict[str, Any], answer: Answer) -> None:
        await asyncio.sleep(self.chance.uniform(0, 2))
        await self.person.answer(place.id, entry["approval_id"], answer.choice)

    async def _late(self, place: Place, count: Count) -> None:
        numbers = [entry["seq"] for entry in place.told] or [0]
        for after in (0, self.chance.choice(numbers)):
            viewer = self._viewer(place, after=after, cuts=CUTS)

            def is_over(seen: Seen) -> bool:
                return seen.last >= place.last

            name = f"late viewer of {place.id} after {after}"
            try:
                async with asyncio.timeout(END_S):
                    await viewer.follow(is_over)
            except TimeoutError:
                count.without_end += 1
                count.problems.append(f"{name}: no end")
            count.viewer(viewer.seen, name)
            told = _texts(entry for entry in place.told if entry["seq"] > after)
            count.text(_texts(viewer.seen.entries), told, name)

    def _viewer(self, place: Place, *, after: int | None = None, **options: Any) -> Viewer:
        ports = [gateway.port for gateway in self.stage.gateways]
        start = place.last if after is None else after
        own = random.Random(self.chance.random())
        return Viewer(place.id, ports, chance=own, after=start, **options)


def _texts(entries: Any) -> str:
    return "".join(entry["text"] for entry in entries if entry["type"] == "text")


async def gathered(
    stage: Stage, http: aiohttp.ClientSession, sessions: int, seed: int, *, first_answer: int = 0
) -> Crowd:
    person = Person(http, [gateway.port for gateway in stage.gateways])
    slots = asyncio.Semaphore(_AT_ONCE)

    async def place() -> Place:
        async with slots:
            return Place(await person.session())

    places = await asyncio.gather(*(place() for _ in range(sessions)))
    return Crowd(stage, person, list(places), random.Random(seed), first_answer)

"""What a crowd does while something is killed, and whether the books balance afterwards."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from local_platform.crowd import Count, GaveUpError, Person

HELLO = "examples/skills/hello"
SKILLS = (HELLO, "examples/skills/word-count", "examples/skills/support-reply")
RELAYED_S = 60
_LOOK_S = 0.5

Event = dict[str, Any]


@asynccontextmanager
async def crowd(
    url: str, token_of: Callable[[str], str], size: int
) -> AsyncIterator[list[Person]]:
    """So many users that the platform has never seen, with one count between them."""
    count = Count()
    async with AsyncExitStack() as stack:
        people = []
        for number in range(size):
            user = f"{size}-{number}-{time.time():.0f}"
            token = await asyncio.to_thread(token_of, user)
            people.append(await stack.enter_async_context(Person(url, token, count)))
        yield people


async def attempt(work: Awaitable[Any]) -> None:
    """A fault is in the count already, and the others go on."""
    try:
        await work
    except GaveUpError as error:
        print(f"gave up: {error}")


async def busy(person: Person, done: asyncio.Event, *, words: int = 150) -> None:
    """One skill after the other, with three answers at once of each."""
    for ref in itertools.cycle(SKILLS):
        await attempt(_launched_and_spoken(person, ref, words))
        if done.is_set():
            return


async def _launched_and_spoken(person: Person, ref: str, words: int) -> None:
    launch = await person.launch(ref)
    talks = (person.converse(launch, words=words, rate=10) for _ in range(3))
    await asyncio.gather(*talks)


async def launching(person: Person, times: int, seconds: float) -> None:
    """So many launches, spread over the time."""
    await asyncio.sleep(random.uniform(0, seconds / times))
    for number in range(times):
        await attempt(person.launch(SKILLS[(number + 1) % len(SKILLS)]))
        await asyncio.sleep(seconds / times / 2)


async def check_balance(people: Sequence[Person], events: Callable[[], Iterable[Event]]) -> None:
    """What people saw, what is on record and what was told to others are the same: what differs is
    added to the count. `events` reads the whole stream of events.
    """
    count = people[0].count
    for person in people:
        kept = Counter(await person.trials())
        _compare(count, "trials", Counter(person.launches), kept)
    expected = _expected(people)
    ends = time.monotonic() + RELAYED_S
    told = await asyncio.to_thread(_told, events, expected)
    while not told >= expected and time.monotonic() < ends:
        await asyncio.sleep(_LOOK_S)
        told = await asyncio.to_thread(_told, events, expected)
    _compare(count, "events", expected, told)


def _expected(people: Sequence[Person]) -> Counter[Any]:
    launches = [launch for person in people for launch in person.launches]
    turns = [turn for person in people for turn in person.turns]
    kinds = (
        *(("launch", "requested", launches), ("launch", "ended", launches)),
        *(("turn", "started", turns), ("turn", "ended", turns)),
    )
    return Counter({(f"{what}.{done}.v1", one): 1 for what, done, ids in kinds for one in ids})


def _told(events: Callable[[], Iterable[Event]], expected: Counter[Any]) -> Counter[Any]:
    found = Counter((event["type"], _entity(event)) for event in events())
    return Counter({key: number for key, number in found.items() if key in expected})


def _compare(count: Count, what: str, expected: Counter[Any], found: Counter[Any]) -> None:
    for key in (expected - found).elements():
        count.lost += 1
        count.reasons.append(f"lost: {what}: {key}")
    for key in (found - expected).elements():
        count.doubled += 1
        count.reasons.append(f"doubled: {what}: {key}")


def _entity(event: Event) -> str:
    data = event["data"]
    return str(data.get("turn_id") or data.get("launch_id") or event["subject"])

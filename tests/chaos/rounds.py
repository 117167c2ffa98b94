"""What is killed under which load."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack

from local_platform.crowd import Count, Person
from local_platform.load import (
    HELLO,
    attempt,
    busy,
    check_balance,
    crowd,
    launching,
)

from .stage import NODES, REPLICAS, SERVICES, Stage, doubled

PEOPLE = 10
REPLICAS_S = 100.0
REPLICA_EVERY_S = 5.0
NODES_S = 120.0
NODE_EVERY_S = 10.0
NODE_AWAY_S = 4.0
STREAMS_EACH = 5
LAUNCHES_EACH = 4
WORDS_PER_S = 1.0
RAMP_S = 1.0

Round = Callable[[Stage], Awaitable[Count]]


async def replicas(stage: Stage) -> Count:
    """Two of each service at first; a replica is killed every five seconds, of one service after
    the other, while people launch and listen; the third ones join under way.
    """
    thirds = [f"{service}-{REPLICAS}" for service in SERVICES]
    done = asyncio.Event()
    async with crowd(stage.instance.url, stage.instance.token, 6) as people:
        with ExitStack() as joining:
            for name in thirds:
                await asyncio.to_thread(joining.enter_context, stage.away(name))
            work = asyncio.gather(*(busy(person, done) for person in people))
            await _killing(stage, _first_two(), REPLICAS_S / 2)
            await asyncio.to_thread(joining.close)
        await _killing(stage, _all(), REPLICAS_S / 2)
        done.set()
        await work
        return await _balanced(stage, people)


async def nodes(stage: Stage) -> Count:
    """One server of NATS is killed every ten seconds and away for four, for two minutes, under 50
    launches and 50 streams.
    """
    async with crowd(stage.instance.url, stage.instance.token, PEOPLE) as people:
        ready = [await person.launch(HELLO) for person in people]
        # Each conversation starts a process in its sandbox: one after another, then all go on.
        words = int((NODES_S + PEOPLE * STREAMS_EACH * RAMP_S) * WORDS_PER_S)
        streams = []
        for _ in range(STREAMS_EACH):
            for person, launch in zip(people, ready, strict=True):
                talk = person.converse(launch, words=words, rate=WORDS_PER_S)
                streams.append(asyncio.ensure_future(attempt(talk)))
                await asyncio.sleep(RAMP_S)
        losing = asyncio.ensure_future(_losing(stage))
        await asyncio.gather(*(launching(person, LAUNCHES_EACH, NODES_S) for person in people))
        lost = await losing
        talking = sum(not stream.done() for stream in streams)
        await asyncio.gather(*streams)
        print(f"{lost} nodes lost, {talking} streams lasted through it")
        return await _balanced(stage, people)


ROUNDS: dict[str, Round] = {"replicas": replicas, "nodes": nodes}


async def _killing(stage: Stage, names: Sequence[str], seconds: float) -> None:
    ends = time.monotonic() + seconds
    for name in itertools.cycle(names):
        if time.monotonic() > ends:
            return
        await asyncio.to_thread(stage.kill, name)
        await asyncio.sleep(REPLICA_EVERY_S)


async def _losing(stage: Stage) -> int:
    """Each node is back before the next is lost; how many were."""
    ends = time.monotonic() + NODES_S
    for lost, name in enumerate(itertools.cycle(NODES)):
        if time.monotonic() > ends:
            return lost
        began = time.monotonic()
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, stage.lost(name))
            await asyncio.sleep(NODE_AWAY_S)
            await asyncio.to_thread(stack.close)
        await asyncio.sleep(max(NODE_EVERY_S - (time.monotonic() - began), 0))
    raise AssertionError


def _first_two() -> list[str]:
    return [name for service in SERVICES for name in (service, f"{service}-2")]


def _all() -> list[str]:
    """Never the same service twice running."""
    return [
        service if number == 1 else f"{service}-{number}"
        for number in range(1, REPLICAS + 1)
        for service in SERVICES
    ]


async def _balanced(stage: Stage, people: list[Person]) -> Count:
    count = people[0].count
    await check_balance(people, stage.events)
    twice = doubled(await asyncio.to_thread(stage.events))
    count.doubled += twice.total()
    count.reasons += [f"doubled: the event {name} stands in the stream" for name in twice]
    return count

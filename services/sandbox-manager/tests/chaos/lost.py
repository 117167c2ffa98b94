"""The provider's answer lost at each call, and each call before it arrives.

What calls there are is learned from a run without losses, so a new call is a new case.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from chaos.lossy import MOMENTS, Call, drained
from chaos.stage import FIRST, Count, World, end, gone
from common.contracts import sandbox as wire
from common.errors import AppError
from common.ids import new_id

_NUMBERS = itertools.count()

MOST_RUNS = 4


@dataclass(frozen=True)
class Scene:
    """One thing that is asked, over and over: `set_up` gives the owner it is asked for."""

    name: str
    set_up: Callable[[World], Awaitable[str]]
    ask: Callable[[World, str, Count, str], Awaitable[None]]


async def _nobody(_: World) -> str:
    return new_id("own")


async def _running(world: World) -> str:
    owner = new_id("own")
    await world.ready(owner, FIRST)
    return owner


async def _asleep(world: World) -> str:
    owner = await _running(world)
    await world.stop(owner)
    return owner


async def _launch(world: World, owner: str, count: Count, name: str) -> None:
    ref = f"acme/tools/skill-{next(_NUMBERS)}"
    world.neighbours.add(ref, {"SKILL.md": f"---\nname: {ref}\ndescription: d\n---\n"})
    ended = await world.ended(owner, await world.launch(owner, ref))
    await world.judge_launch(owner, ended, count, name)


async def _stop(world: World, owner: str, count: Count, name: str) -> None:
    with suppress(AppError):
        await world.stop(owner)
    await world.judge(owner, count, name)


async def _delete(world: World, owner: str, count: Count, name: str) -> None:
    await world.rpc.call(wire.DELETE_SANDBOX, wire.OwnerRequest(owner_id=owner))
    await world.judge(owner, count, name)


SCENES = (
    Scene("create", _nobody, _launch),
    Scene("install", _asleep, _launch),
    Scene("stop", _running, _stop),
    Scene("delete", _running, _delete),
)


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[None]:
    pid = await world.service()
    yield
    end(pid)
    await gone(pid)


async def calls_of(world: World, scene: Scene) -> list[Call]:
    """What every run without losses asks; the reconciler's own looks are no part of it."""
    runs = []
    for _ in range(2):
        owner = await scene.set_up(world)
        world.lossy.begin()
        await scene.ask(world, owner, Count(), scene.name)
        runs.append(await drained(world.lossy, 0.2))
        await world.clear(owner)
    return [call for call in runs[0] if call in runs[1] and call.kind != "GET /api/sandbox"]


async def case(world: World, scene: Scene, call: Call, moment: str, count: Count) -> None:
    """A call that not every run makes is waited for in some runs."""
    for _ in range(MOST_RUNS):
        owner, name = await scene.set_up(world), f"{scene.name}, {moment} lost: {call}"
        world.lossy.begin((call, moment))
        await scene.ask(world, owner, count, name)
        is_lost = world.lossy.lost > 0
        world.lossy.begin()
        await world.clear(owner)
        if is_lost:
            return
    count.problems.append(f"{name}: that call was not made")


async def cases_of(world: World, scene: Scene) -> list[tuple[Call, str]]:
    return [(call, moment) for call in await calls_of(world, scene) for moment in MOMENTS]

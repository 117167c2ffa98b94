"""The service killed before and after each step: whoever comes next goes on from the record.

The cases come from the tables of steps, so a new step is a new case.
"""

import contextlib
import signal

from chaos.stage import FIRST, SECOND, Count, World, end, gone
from common.contracts import sandbox as wire
from common.errors import AppError
from common.ids import new_id
from sandbox_manager.model.steps import OTHER_STEPS, STEPS, Step

MOMENTS = ("before", "after")
LAUNCHES = [
    (path, step, moment)
    for path in (wire.LaunchPath.CREATE, wire.LaunchPath.INSTALL)
    for step in STEPS[path]
    for moment in MOMENTS
]
CHANGES = [
    (change, step, moment)
    for change, steps in OTHER_STEPS.items()
    for step in steps
    for moment in MOMENTS
]
REQUESTS = {"stop": wire.STOP_SANDBOX, "delete": wire.DELETE_SANDBOX}


async def launch(
    world: World, path: wire.LaunchPath, step: Step, moment: str, count: Count
) -> None:
    owner, key, name = new_id("own"), new_id("key"), f"{path} killed {moment} {step}"
    if path is wire.LaunchPath.INSTALL:
        # A stopped sandbox with another skill in it: an install has most to do there.
        await _prepared(world, owner, is_stopped=True)
    victim = await world.service((step, moment))
    await world.launch(owner, SECOND, key)
    await _must_be_gone(victim, count, name)
    successor = await world.service()
    ended = await world.ended(owner, await world.launch(owner, SECOND, key))
    await world.judge_launch(owner, ended, count, name)
    await _over(world, owner, successor)


async def change(world: World, change: str, step: Step, moment: str, count: Count) -> None:
    owner, name = new_id("own"), f"{change} killed {moment} {step}"
    await _prepared(world, owner)
    victim = await world.service((step, moment))
    with contextlib.suppress(AppError):
        await world.rpc.call(REQUESTS[change], wire.OwnerRequest(owner_id=owner))
    await _must_be_gone(victim, count, name)
    successor = await world.service()
    await world.judge(owner, count, name)
    await _over(world, owner, successor)


async def _must_be_gone(victim: int, count: Count, name: str) -> None:
    if not await gone(victim):
        count.problems.append(f"{name}: the process was not killed there")
        end(victim, signal.SIGKILL)


async def _prepared(world: World, owner: str, *, is_stopped: bool = False) -> None:
    helper = await world.service()
    await world.ready(owner, FIRST)
    if is_stopped:
        await world.stop(owner)
    end(helper)
    assert await gone(helper)


async def _over(world: World, owner: str, successor: int) -> None:
    await world.clear(owner)
    end(successor)
    await gone(successor)

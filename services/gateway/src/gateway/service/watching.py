"""Launches as their owner watches them: the one under way, and how long each phase usually takes.

What is usual is what happened: the owner's own last launch of each path.
"""

import asyncio
from collections.abc import Sequence

from common.contracts.sandbox import (
    GET_LAUNCH,
    LIST_TRIALS,
    GetLaunch,
    Launch,
    LaunchPath,
    LaunchState,
    OwnerRequest,
    Trial,
)
from common.errors import AppError

from gateway.model.progress import Durations
from gateway.ports import Services

_UNDER_WAY = frozenset({LaunchState.PENDING, LaunchState.RUNNING})


async def trials_of(services: Services, owner_id: str) -> Sequence[Trial]:
    """Newest first; none while they cannot be listed."""
    try:
        return (await services.call(LIST_TRIALS, OwnerRequest(owner_id=owner_id))).trials
    except AppError:
        return ()


def under_way(trials: Sequence[Trial], digest: str) -> str | None:
    """The launch of exactly this skill that goes on now."""
    running = (
        trial.launch_id
        for trial in trials
        if trial.state in _UNDER_WAY and trial.skill.digest == digest
    )
    return next(running, None)


async def usual(
    services: Services, owner_id: str, trials: Sequence[Trial]
) -> dict[str, Durations]:
    """Seconds by phase, by path."""
    newest: dict[LaunchPath, str] = {}
    for trial in trials:
        if trial.state is LaunchState.READY and trial.path is not None:
            newest.setdefault(trial.path, trial.launch_id)
    asked = [
        _durations(services, GetLaunch(owner_id=owner_id, launch_id=launch_id))
        for launch_id in newest.values()
    ]
    return dict(zip(newest, await asyncio.gather(*asked), strict=True))


async def _durations(services: Services, request: GetLaunch) -> Durations:
    try:
        launch = await services.call(GET_LAUNCH, request)
    except AppError:
        return {}
    return durations(launch)


def durations(launch: Launch) -> Durations:
    return {
        phase.name: (phase.ended_at - phase.started_at).total_seconds()
        for phase in launch.phases
        if phase.ended_at is not None
    }

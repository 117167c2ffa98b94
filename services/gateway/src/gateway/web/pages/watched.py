"""The panel of a launch on its skill's page."""

from datetime import timedelta

from common.clock import utc_now
from common.contracts.sandbox import GET_LAUNCH_ENTRIES, GetLaunchEntries, Launch
from common.ids import new_id
from markupsafe import Markup

from gateway.model.progress import Durations, Progress
from gateway.ports import Services
from gateway.service.watching import trials_of, usual
from gateway.web.rendering import macro

# A launch that has just ended goes on into the chat; an old one is looked at.
_FRESH = timedelta(minutes=1)


async def usual_of(services: Services, owner_id: str) -> dict[str, Durations]:
    return await usual(services, owner_id, await trials_of(services, owner_id))


async def watched(services: Services, owner_id: str, launch: Launch, here: str) -> Markup:
    """The launch so far; while it goes on, its stream brings the rest."""
    asked = GetLaunchEntries(owner_id=owner_id, launch_id=launch.id)
    progress = Progress(usual=await usual_of(services, owner_id))
    for entry in (await services.call(GET_LAUNCH_ENTRIES, asked)).entries:
        progress.apply(entry.model_dump(mode="json"))
    retry = {
        "ref": launch.ref,
        "digest": launch.skill.digest,
        "here": here,
        "key": new_id("key"),
    }
    is_fresh = launch.ended_at is not None and utc_now() - launch.ended_at < _FRESH
    return macro("_launch.html", "watched")(progress, launch, here, retry, is_fresh)

"""The journals of launches and sessions: their subjects, and how each is asked for its history."""

from functools import partial

from common.contracts.chat import ATTACH, Attach, session_journal
from common.contracts.sandbox import GET_LAUNCH_ENTRIES, GetLaunchEntries, launch_journal
from common.errors import ErrorCode, NotFoundError

from gateway.model.frames import Frame
from gateway.model.ids import is_launch_id, is_session_id
from gateway.ports import Services
from gateway.service.viewing import Page, Source


def launch_source(services: Services, owner_id: str, launch_id: str) -> Source:
    """The journal of a launch of this owner."""
    # The id becomes part of a subject, where other words would mean other journals.
    if not is_launch_id(launch_id):
        message = "no such launch"
        raise NotFoundError(message, code=ErrorCode.LAUNCH_NOT_FOUND)
    history = partial(_launch_history, services, owner_id, launch_id)
    return Source(launch_journal(launch_id), history, last_type=b"launch.ended", owner_id=owner_id)


def session_source(services: Services, owner_id: str, session_id: str) -> Source:
    """The journal of a session of this owner."""
    if not is_session_id(session_id):
        message = "no such session"
        raise NotFoundError(message, code=ErrorCode.SESSION_NOT_FOUND)
    history = partial(_session_history, services, owner_id, session_id)
    return Source(session_journal(session_id), history, owner_id=owner_id)


async def _launch_history(services: Services, owner_id: str, launch_id: str, after: int) -> Page:
    request = GetLaunchEntries(owner_id=owner_id, launch_id=launch_id, after=after)
    found = await services.call(GET_LAUNCH_ENTRIES, request)
    frames = [
        Frame(entry.seq, entry.seq, entry.type.encode(), entry.model_dump_json().encode())
        for entry in found.entries
    ]
    return Page(frames, is_over=found.ended)


async def _session_history(services: Services, owner_id: str, session_id: str, after: int) -> Page:
    request = Attach(owner_id=owner_id, session_id=session_id, after=after)
    found = await services.call(ATTACH, request)
    frames = [
        Frame(
            entry.seq if entry.seq_from is None else entry.seq_from,
            entry.seq,
            entry.type.encode(),
            entry.model_dump_json().encode(),
        )
        for entry in found.entries
    ]
    return Page(frames, has_more=found.more)

"""A turn for a client that knows nothing of launches, sessions and approvals: the skill is made
ready, the session found or made, the turn followed to its end.

Nobody can be asked: a command that needs an approval is denied at once. A client that goes away
stops its turn.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from common.contracts import chat
from common.contracts.sandbox import (
    GET_LAUNCH,
    START_LAUNCH,
    WRITE_FILE,
    GetLaunch,
    Launch,
    LaunchState,
    StartLaunch,
    WriteFile,
)
from common.errors import AppError, NotFoundError, UnavailableError

from gateway.model.completion import Asked
from gateway.ports import Bodies, Services
from gateway.service.listening import (
    Activity,
    Begun,
    Ended,
    Entry,
    Listening,
    Told,
    Words,
    error_of,
)
from gateway.service.sources import launch_source, session_source
from gateway.service.viewing import Source, Viewers

logger = logging.getLogger(__name__)

_RESOLVE = timedelta(seconds=60)
_WRITE = timedelta(seconds=60)
_QUIET_TICKS = 3600
_COUNTED_S = 0.2


@dataclass(frozen=True)
class Completing:
    services: Services
    bodies: Bodies
    viewers: Viewers

    async def run(
        self, owner_id: str, asked: Asked, page_of: Callable[[chat.Session], str]
    ) -> AsyncGenerator[Told, None]:
        """`page_of` a session is where a person goes on with it.

        Raises AppError, also in the middle: what kept the answer from its end.
        """
        session = await self._known(owner_id, asked)
        launch = await self._launch(owner_id, asked, session)
        async with aclosing(self._ready(owner_id, launch)) as entries:
            async for entry in entries:
                yield Activity(entry)
        if session is None:
            session = await self._session(owner_id, asked, launch)
        turn = await self._turn(owner_id, asked, session)
        listening = Listening(asked.stops)
        async with aclosing(self._told(owner_id, session, turn, listening)) as told:
            async for one in told:
                yield one
        if listening.error is not None:
            raise listening.error
        note = _refusals(listening.denied, page_of(session))
        if note:
            yield Words(note)
        text = f"{listening.text}{note}".strip()
        thread = chat.KeepThread(
            owner_id=owner_id, session_id=session.id, thread=asked.thread_after(text)
        )
        await self.services.call(chat.KEEP_THREAD, thread)
        yield Ended(text, listening.usage, tuple(listening.denied))

    async def _known(self, owner_id: str, asked: Asked) -> chat.Session | None:
        """The session that the client names, or the one in which its conversation stands."""
        if asked.session_id is not None:
            named = chat.SessionRequest(owner_id=owner_id, session_id=asked.session_id)
            return await self.services.call(chat.FIND_SESSION, named)
        if not asked.history:
            return None
        kept = chat.TakeThread(owner_id=owner_id, thread=asked.thread)
        with contextlib.suppress(NotFoundError):
            return await self.services.call(chat.TAKE_THREAD, kept)
        return None

    async def _launch(self, owner_id: str, asked: Asked, session: chat.Session | None) -> Launch:
        """The gate stands here: a session is no way past it, either."""
        digest = session.skill.digest if session else None
        ref = session.skill.ref if session else asked.model
        request = StartLaunch(owner_id=owner_id, ref=ref, digest=digest)
        return await self.services.call(START_LAUNCH, request, within=_RESOLVE)

    async def _ready(self, owner_id: str, launch: Launch) -> AsyncGenerator[Entry, None]:
        if launch.state is not LaunchState.READY:
            source = launch_source(self.services, owner_id, launch.id)
            async with aclosing(self._follow(source, after=0)) as entries:
                async for entry in entries:
                    yield entry
            request = GetLaunch(owner_id=owner_id, launch_id=launch.id)
            launch = await self.services.call(GET_LAUNCH, request)
        if launch.state is not LaunchState.READY:
            message = f"the skill's launch ended as {launch.state}"
            raise error_of(launch.error) or UnavailableError(message)

    async def _session(self, owner_id: str, asked: Asked, launch: Launch) -> chat.Session:
        history = [chat.ContextMessage(role=one.role, text=one.text) for one in asked.told]
        context = chat.SessionContext(instructions=asked.instructions, history=history)
        request = chat.CreateSession(owner_id=owner_id, launch_id=launch.id, context=context)
        return await self.services.call(chat.CREATE_SESSION, request)

    async def _turn(self, owner_id: str, asked: Asked, session: chat.Session) -> chat.Turn:
        for file in asked.attached:
            write = WriteFile(
                owner_id=owner_id,
                session_id=session.id,
                path=file.path,
                object_name=await self.bodies.put_body(file.content),
            )
            await self.services.call(WRITE_FILE, write, within=_WRITE)
        request = chat.StartTurn(
            owner_id=owner_id,
            session_id=session.id,
            text=asked.prompt,
            attachments=[file.path for file in asked.attached],
        )
        return await self.services.call(chat.START_TURN, request)

    async def _told(
        self, owner_id: str, session: chat.Session, turn: chat.Turn, listening: Listening
    ) -> AsyncGenerator[Told, None]:
        yield Begun(session, turn)
        source = session_source(self.services, owner_id, session.id)
        after = (turn.seq_from or session.last_seq + 1) - 1
        try:
            async with aclosing(self._follow(source, after=after)) as entries:
                async for entry in entries:
                    if entry.get("turn_id") != turn.id:
                        continue
                    await self._deny(owner_id, session, entry)
                    for one in listening.hear(entry):
                        yield one
                    if listening.is_over:
                        break
        finally:
            if not listening.has_ended:
                await asyncio.shield(self._stop(owner_id, session, turn))
        if not listening.has_ended:
            # What was said is counted when the provider has been let go.
            await asyncio.sleep(_COUNTED_S)
            request = chat.TurnRequest(owner_id=owner_id, session_id=session.id, turn_id=turn.id)
            counted = await self.services.call(chat.GET_TURN, request)
            listening.usage = counted.usage or listening.usage

    async def _deny(self, owner_id: str, session: chat.Session, entry: Entry) -> None:
        if entry.get("type") != "approval.requested":
            return
        answer = chat.AnswerApproval(
            owner_id=owner_id,
            session_id=session.id,
            approval_id=entry["approval_id"],
            choice=chat.ApprovalChoice.DENY,
        )
        try:
            await self.services.call(chat.ANSWER_APPROVAL, answer)
        except AppError as exc:
            # Somebody answered first, or an earlier answer already covers it.
            logger.info("an approval was not denied: %s", exc.detail)

    async def _stop(self, owner_id: str, session: chat.Session, turn: chat.Turn) -> None:
        request = chat.TurnRequest(owner_id=owner_id, session_id=session.id, turn_id=turn.id)
        with contextlib.suppress(AppError):
            await self.services.call(chat.STOP_TURN, request)

    async def _follow(self, source: Source, *, after: int) -> AsyncGenerator[Entry, None]:
        viewer = await self.viewers.open(source, after=after)
        try:
            async for frames in viewer.batches(quiet=_QUIET_TICKS):
                for frame in frames:
                    yield json.loads(frame.line)
            if viewer.error is not None:
                raise viewer.error
        finally:
            await self.viewers.close(viewer)


def _refusals(denied: Sequence[str], page: str) -> str:
    """What was not run because nobody could be asked, and where somebody can."""
    if not denied:
        return ""
    commands = "".join(f"\n> - `{' '.join(command.split())[:200]}`" for command in denied)
    return (
        "\n\n> Not run, because over this interface nobody can be asked for an approval:"
        f"{commands}\n>\n> Ask again at {page} to allow it."
    )

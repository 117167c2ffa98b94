"""Use cases of sessions: create, list, read, rename, delete."""

from common.contracts import chat as contract
from common.contracts import events
from common.contracts.chat import TurnRequest
from common.contracts.sandbox import LaunchState
from common.errors import ConflictError, ErrorCode, NotFoundError
from common.ids import new_id

from chat_proxy.model.journal import Answer
from chat_proxy.model.session import ChatSession, Place, words_of
from chat_proxy.service.closing import Closing
from chat_proxy.service.outside import Outside
from chat_proxy.service.turns import TurnService
from chat_proxy.service.wire import to_detail, to_messages, to_session

_LISTED = 100
_DETAIL_BYTES = 500_000


class SessionService:
    def __init__(self, outside: Outside, turns: TurnService, closing: Closing) -> None:
        self._outside = outside
        self._turns = turns
        self._closing = closing

    async def create(self, request: contract.CreateSession) -> contract.Session:
        """A session for the skill of a launch that is ready."""
        owner_id, launch_id = request.owner_id, request.launch_id
        launch = await self._outside.sandboxes.launch(owner_id, launch_id)
        if launch.state is not LaunchState.READY:
            detail = f"the launch is {launch.state}, not ready"
            raise ConflictError(detail, code=ErrorCode.LAUNCH_NOT_READY)
        now = self._outside.clock()
        session = ChatSession(
            id=new_id("ses"),
            owner_id=owner_id,
            launch_id=launch_id,
            skill=launch.skill,
            title=launch.skill.name,
            created_at=now,
            updated_at=now,
            context=request.context,
        )
        event = self._event(events.SESSION_CREATED, session)
        return await self._shown(
            await self._outside.sessions.create(
                session, idempotency_key=request.idempotency_key, emit=event
            )
        )

    async def list(self, request: contract.ListSessions) -> contract.SessionList:
        """The newest sessions whose title or text holds every word asked for."""
        found = await self._outside.sessions.list(
            request.owner_id,
            words=words_of(request.query or ""),
            limit=_LISTED + 1,
            after=Place.from_cursor(request.cursor) if request.cursor else None,
        )
        listed, more = found[:_LISTED], found[_LISTED:]
        running = await self._outside.turns.running([session.id for session in listed])
        return contract.SessionList(
            sessions=[to_session(session, running.get(session.id)) for session in listed],
            next_cursor=listed[-1].place.cursor if more else None,
        )

    async def find(self, owner_id: str, session_id: str) -> contract.Session:
        return await self._shown(await self._outside.sessions.get(owner_id, session_id))

    async def get(self, owner_id: str, session_id: str) -> contract.SessionDetail:
        """With the newest messages that fit a reply; attaching gives the others."""
        session = await self._outside.sessions.get(owner_id, session_id)
        answers = await self._outside.answers.of_session(session_id)
        return to_detail(session, await self._running(session_id), _newest(answers))

    async def rename(self, owner_id: str, session_id: str, title: str) -> contract.Session:
        session = await self._outside.sessions.get(owner_id, session_id)
        renamed = session.renamed(title, at=self._outside.clock())
        return await self._shown(await self._outside.sessions.rename(renamed))

    async def keep_thread(self, request: contract.KeepThread) -> None:
        session = await self._outside.sessions.get(request.owner_id, request.session_id)
        await self._outside.sessions.keep_thread(session, request.thread)

    async def take_thread(self, owner_id: str, thread: str) -> contract.Session:
        """The session that is kept under it, for one caller, and only between its turns."""
        session = await self._outside.sessions.with_thread(owner_id, thread)
        await self._closing.settled(session.id)
        if await self._running(session.id) is not None:
            message = "the session of this conversation is still answering"
            raise NotFoundError(message, code=ErrorCode.SESSION_NOT_FOUND)
        return to_session(await self._outside.sessions.take_thread(owner_id, thread), None)

    async def delete(self, owner_id: str, session_id: str) -> None:
        """Hide it now; what runs is stopped, and the purge removes the rest."""
        session = await self._outside.sessions.get(owner_id, session_id)
        event = self._event(events.SESSION_DELETED, session)
        await self._outside.sessions.delete(owner_id, session_id, emit=event)
        running = await self._outside.turns.active(session_id)
        if running is not None:
            request = TurnRequest(owner_id=owner_id, session_id=session_id, turn_id=running.id)
            await self._turns.stop(request)

    async def _shown(self, session: ChatSession) -> contract.Session:
        return to_session(session, await self._running(session.id))

    async def _running(self, session_id: str) -> str | None:
        return (await self._outside.turns.running([session_id])).get(session_id)

    def _event(
        self, event: events.Event[events.SessionChanged], session: ChatSession
    ) -> events.OutgoingEvent:
        skill = session.skill
        data = events.SessionChanged(
            owner_id=session.owner_id, session_id=session.id, skill=skill.ref, digest=skill.digest
        )
        return event.of(data, entity_id=session.id, at=self._outside.clock())


def _newest(answers: list[Answer]) -> list[contract.ChatMessage]:
    messages: list[contract.ChatMessage] = []
    left = _DETAIL_BYTES
    for answer in reversed(answers):
        of_turn = to_messages(answer)
        left -= sum(len(message.model_dump_json()) for message in of_turn)
        if left < 0 and messages:
            break
        messages = of_turn + messages
    return messages

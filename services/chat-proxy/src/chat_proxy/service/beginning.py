"""The first step of running a turn: its place in the session, and the journal it continues."""

from dataclasses import replace

from common.errors import NotFoundError

from chat_proxy.model.journal import Answer
from chat_proxy.model.session import SessionState, title_of
from chat_proxy.service.outside import Outside
from chat_proxy.service.persisting import persist
from chat_proxy.service.running import RunningTurn
from chat_proxy.service.writer import JournalWriter


async def begin(
    running: RunningTurn, outside: Outside, *, resumed: bool
) -> tuple[JournalWriter, bool]:
    """Number on from where the session's journal stands; False with it when the session is gone.

    It is read now that nothing else runs in it: what was known before may be older than the turn
    before.
    """
    turn = running.turn
    try:
        running.session = await persist(lambda: outside.sessions.find(turn.session_id))
    except NotFoundError:
        running.session = replace(running.session, state=SessionState.DELETED)
    is_there = running.session.state is SessionState.ACTIVE
    if is_there and not running.session.titled:
        await persist(
            lambda: outside.sessions.entitle(turn.session_id, title_of(turn.text), outside.clock())
        )
    answer = await _left(running, outside) if resumed else Answer(turn.id)
    answer.limit(outside.limits.answer_chars)
    writer = JournalWriter(
        answer,
        running,
        last_seq=max(running.session.last_seq, answer.seq),
        live=outside.live,
        answers=outside.answers,
        clock=outside.clock,
    )
    if not answer.segments:
        running.turn = replace(running.turn, seq_from=writer.last_seq + 1)
        attached = {"attachments": list(turn.attachments)} if turn.attachments else {}
        writer.add("turn.started", text=turn.text, skill_digest=turn.skill_digest, **attached)
        writer.publish(outside.clock())
    return writer, is_there


async def _left(running: RunningTurn, outside: Outside) -> Answer:
    """What the former holder stored, and what it told viewers after that."""
    turn = running.turn
    answer = await persist(lambda: outside.answers.take(turn))
    after = max(answer.seq, running.session.last_seq)
    for entry in await outside.live.captured(turn.session_id, after, turn.created_at):
        if entry.turn_id == turn.id:
            answer.add(entry)
    return answer

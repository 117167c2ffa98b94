"""The first step of running a turn: its place in the session, and the journal it continues."""

from dataclasses import replace

from chat_proxy.model.journal import Answer
from chat_proxy.model.session import title_of
from chat_proxy.service.outside import Outside
from chat_proxy.service.persisting import persist
from chat_proxy.service.running import RunningTurn
from chat_proxy.service.writer import JournalWriter


async def begin(
    running: RunningTurn, outside: Outside, *, resumed: bool
) -> tuple[JournalWriter, bool]:
    """Name the turn in its session and number on from where the journal stands; False with it when
    the session is gone.
    """
    turn = running.turn
    session = await persist(
        lambda: outside.sessions.begin_turn(
            turn, title=title_of(turn.text), at=outside.clock(), known=running.session
        )
    )
    running.session = session or running.session
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
    return writer, session is not None


async def _left(running: RunningTurn, outside: Outside) -> Answer:
    """What the former holder stored, and what it told viewers after that."""
    turn = running.turn
    answer = await persist(lambda: outside.answers.take(turn))
    after = max(answer.seq, running.session.last_seq)
    for entry in await outside.live.captured(turn.session_id, after, turn.created_at):
        if entry.turn_id == turn.id:
            answer.add(entry)
    return answer

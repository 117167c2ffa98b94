"""The last step of a turn: its end in the journal, in the session, in the turn's own record.

The end is stored before viewers hear of it, and told before the turn's record closes: whoever dies
in between leaves a turn that its successor finds ended and only has to close.
"""

from dataclasses import replace

from common.contracts import events
from common.contracts.chat import TurnState
from common.contracts.sandbox import Failure
from common.metrics.table import OK, TURN_DURATION, TURNS

from chat_proxy.model.agent import Tokens
from chat_proxy.model.journal import Answer
from chat_proxy.model.session import words_of
from chat_proxy.model.usage import Spent
from chat_proxy.service.conversation import Conversation
from chat_proxy.service.outcome import Outcome, explained
from chat_proxy.service.outside import Outside
from chat_proxy.service.persisting import persist
from chat_proxy.service.running import RunningTurn

_OVER = "The turn is over."


async def end(
    running: RunningTurn,
    conversation: Conversation,
    outside: Outside,
    outcome: Outcome | None,
) -> None:
    """Close the turn; without an outcome, with the end that its journal already holds."""
    writer = conversation.writer
    if outcome is not None:
        metered = await persist(lambda: outside.usage.of_turn(running.turn.id))
        await _write_end(conversation, explained(outcome, metered.failure), metered.spent)
    await persist(writer.store)
    writer.publish(outside.clock())
    last = writer.answer.after(writer.last_seq - 1)
    if outcome is None:
        outside.live.publish(running.turn.session_id, last)
    outside.live.assure(running.turn.session_id, last)
    state, error = _ended_as(writer.answer)
    await persist(
        lambda: outside.sessions.end_turn(
            running.turn,
            last_seq=writer.last_seq,
            words=words_of(f"{running.turn.text}\n{writer.answer.text}"),
            at=outside.clock(),
        )
    )
    tokens = _tokens(writer.answer)
    told = replace(
        running.turn, other_skills=tuple(conversation.scribe.other_skills), total_tokens=tokens
    )
    turn = told.ended(state, at=outside.clock(), error=error)
    data = events.TurnChanged(
        owner_id=turn.owner_id,
        session_id=turn.session_id,
        turn_id=turn.id,
        state=state,
        code=error.code if error else None,
        total_tokens=tokens,
    )
    event = events.TURN_ENDED.of(data, entity_id=turn.id, at=outside.clock())
    await persist(lambda: outside.turns.save(turn, emit=event))
    running.turn = turn
    TURNS.add(state=state, code=error.code if error else OK)
    TURN_DURATION.record((outside.clock() - turn.created_at).total_seconds(), state=state)


async def _write_end(conversation: Conversation, outcome: Outcome, spent: Spent) -> None:
    await conversation.desk.close(_OVER)
    scribe = conversation.scribe
    scribe.close_tools()
    if spent.calls:
        # What passed the relay; what the agent says of itself is taken only without that.
        scribe.tokens(Tokens(spent.input, spent.output, spent.total, spent.calls))
    elif scribe.finished and scribe.finished.tokens and scribe.finished.tokens.calls:
        scribe.tokens(scribe.finished.tokens)
    error = outcome.error.model_dump(mode="json") if outcome.error else None
    conversation.writer.add("turn.ended", state=str(outcome.state), error=error)


def _ended_as(answer: Answer) -> tuple[TurnState, Failure | None]:
    fields = answer.segments[-1].fields
    error = fields.get("error")
    return TurnState(fields["state"]), Failure.model_validate(error) if error else None


def _tokens(answer: Answer) -> int | None:
    used = [one.fields["total_tokens"] for one in answer.segments if one.type == "usage"]
    return sum(used) if used else None

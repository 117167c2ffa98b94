"""The last messages of a session, bounded, for an agent that has lost its memory of them."""

from chat_proxy.model.agent import TranscriptMessage
from chat_proxy.model.session import ChatSession
from chat_proxy.ports import Answers

_MOST_MESSAGES = 20
_MOST_CHARS = 32_000


async def recent_history(answers: Answers, session: ChatSession) -> list[TranscriptMessage]:
    """What was said in the session, and before it."""
    messages = _before(session)
    for answer in await answers.of_session(session.id):
        asked = next(
            (one.fields["text"] for one in answer.segments if one.type == "turn.started"), ""
        )
        messages += [
            TranscriptMessage("user", asked),
            TranscriptMessage("assistant", answer.text),
        ]
    return _bounded([message for message in messages if message.text])


def earlier_history(session: ChatSession) -> list[TranscriptMessage]:
    """What was said before the session, elsewhere."""
    return _bounded(_before(session))


def _before(session: ChatSession) -> list[TranscriptMessage]:
    context = session.context
    history = context.history if context else []
    return [TranscriptMessage(one.role, one.text) for one in history if one.text]


def _bounded(messages: list[TranscriptMessage]) -> list[TranscriptMessage]:
    kept: list[TranscriptMessage] = []
    left = _MOST_CHARS
    for message in reversed(messages[-_MOST_MESSAGES:]):
        left -= len(message.text)
        if left < 0:
            break
        kept.append(message)
    return kept[::-1]

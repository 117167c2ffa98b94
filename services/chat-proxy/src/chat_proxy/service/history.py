"""The last messages of a session, bounded, for an agent that has lost its memory of them."""

from chat_proxy.model.agent import TranscriptMessage
from chat_proxy.ports import Answers

_MOST_MESSAGES = 20
_MOST_CHARS = 32_000


async def recent_history(answers: Answers, session_id: str) -> list[TranscriptMessage]:
    messages: list[TranscriptMessage] = []
    for answer in await answers.of_session(session_id):
        asked = next(
            (one.fields["text"] for one in answer.segments if one.type == "turn.started"), ""
        )
        messages += [
            TranscriptMessage("user", asked),
            TranscriptMessage("assistant", answer.text),
        ]
    return _bounded([message for message in messages if message.text])


def _bounded(messages: list[TranscriptMessage]) -> list[TranscriptMessage]:
    kept: list[TranscriptMessage] = []
    left = _MOST_CHARS
    for message in reversed(messages[-_MOST_MESSAGES:]):
        left -= len(message.text)
        if left < 0:
            break
        kept.append(message)
    return kept[::-1]

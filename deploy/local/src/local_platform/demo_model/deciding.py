"""Which of the three places answers a request."""

from dataclasses import replace

from local_platform.demo_model.auxiliary import assist
from local_platform.demo_model.conversation import Conversation
from local_platform.demo_model.demonstration import demonstrate
from local_platform.demo_model.markers import read_markers
from local_platform.demo_model.reply import Behaviour, Pace
from local_platform.demo_model.scripted import Attempts, Script, follow


def decide(conversation: Conversation, attempts: Attempts, pace: Pace) -> Behaviour:
    """Markers count only in the user's own words: a skill's text cannot script the model."""
    assistance = assist(conversation)
    if assistance:
        return Behaviour(assistance)
    current = replace(conversation, words=attempts.new_words(conversation.words))
    markers = read_markers(current.words)
    if markers:
        return follow(Script(tuple(markers)), current, attempts)
    return Behaviour(demonstrate(current, pace))

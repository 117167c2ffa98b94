"""The small calls an agent makes on its own, without tools: a title, a look at a command."""

import re

from local_platform.demo_model.conversation import Conversation
from local_platform.demo_model.reply import Reply
from local_platform.demo_model.skill import read_skill

TITLE_WORDS = 6
REVIEW = re.compile(r"\[\[smart:(approve|deny)\]\]", re.IGNORECASE)


def assist(conversation: Conversation) -> Reply | None:
    """The answer to such a call, or None when the request is none."""
    if conversation.tools:
        return None
    if "title" in conversation.system and "conversation" in conversation.system:
        return Reply(text=_title(conversation.prompt))
    if "security reviewer" in conversation.system:
        verdict = REVIEW.search(conversation.prompt)
        return Reply(text=verdict[1].upper() if verdict else "ESCALATE")
    return None


def _title(prompt: str) -> str:
    skill = read_skill(prompt)
    if skill:
        return f"Trying the {skill.name} skill"
    said = prompt.removeprefix("User:").partition("\n\nAssistant:")[0]
    words = re.findall(r"[^\W_][\w'\u2019-]*", re.sub(r"\[\[.*?\]\]", " ", said))
    return " ".join(words[:TITLE_WORDS]).capitalize() or "A conversation with the demo model"

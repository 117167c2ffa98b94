"""Read a request: which turn it belongs to, what the tools said in it, which skill is loaded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from local_platform.demo_model.skill import Skill, read_skill

Chat = Sequence[Mapping[str, Any]]

CONTINUATIONS = (
    "[System:",
    "You just executed tool calls",
    "Your previous response",
)
"""How the agent's own messages in the user's role begin; they belong to the turn that runs."""

CUT_OFF = "[System: The previous response was cut off"
"""How the agent asks to go on with an answer whose stream broke."""


@dataclass(frozen=True)
class ToolResult:
    name: str
    arguments: str
    text: str


@dataclass(frozen=True)
class Conversation:
    """`prompt` is the user message that began the turn, `words` what the user wrote in it, without
    the skill, `said` the beginning of an answer that is to be gone on with.
    """

    system: str
    tools: tuple[str, ...]
    prompt: str
    words: str
    skill: Skill | None
    begins_skill: bool
    turn: int
    step: int
    results: tuple[ToolResult, ...]
    prompt_chars: int
    said: str = ""

    def offers(self, tool: str) -> bool:
        return tool in self.tools


def read_conversation(body: Mapping[str, Any]) -> Conversation:
    chat: Chat = [message for message in body["messages"] if isinstance(message, Mapping)]
    turns = [at for at, message in enumerate(chat) if _begins_turn(message)]
    start = turns[-1] if turns else 0
    prompt = text_of(chat[start]) if turns else ""
    own_skill = read_skill(prompt)
    skill = own_skill or _last_skill(text_of(chat[at]) for at in turns)
    current = chat[start + 1 :]
    return Conversation(
        system="\n\n".join(text_of(m) for m in chat if m.get("role") in ("system", "developer")),
        tools=tuple(_tool_names(body.get("tools") or [])),
        prompt=prompt,
        words=own_skill.instruction if own_skill else prompt,
        skill=skill,
        begins_skill=own_skill is not None,
        turn=len(turns),
        step=sum(1 for m in current if m.get("role") == "assistant" and m.get("tool_calls")),
        results=tuple(_results(current)),
        prompt_chars=sum(len(text_of(m)) for m in chat),
        said=_said(current),
    )


def _said(current: Chat) -> str:
    """What was said before the stream broke; it may have broken more than once."""
    said: list[str] = []
    for message, following in pairwise(current):
        if message.get("role") == "assistant" and text_of(following).startswith(CUT_OFF):
            said.append(text_of(message))
    is_asked = bool(current) and text_of(current[-1]).startswith(CUT_OFF)
    return " ".join(said) if is_asked else ""


def text_of(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _begins_turn(message: Mapping[str, Any]) -> bool:
    return message.get("role") == "user" and not text_of(message).startswith(CONTINUATIONS)


def _last_skill(texts: Iterator[str]) -> Skill | None:
    skills = [skill for text in texts if (skill := read_skill(text))]
    return skills[-1] if skills else None


def _tool_names(tools: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for tool in tools:
        name = (tool.get("function") or {}).get("name")
        if isinstance(name, str):
            yield name


def _results(chat: Chat) -> Iterator[ToolResult]:
    asked = {
        call.get("id"): call.get("function") or {}
        for message in chat
        for call in message.get("tool_calls") or []
    }
    for message in chat:
        if message.get("role") == "tool":
            call = asked.get(message.get("tool_call_id"), {})
            yield ToolResult(call.get("name", ""), call.get("arguments", ""), text_of(message))

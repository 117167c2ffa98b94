"""The unscripted answer: try the loaded skill with the agent's own tools and say what came of it.

Nothing here understands a word. The turn is a fixed plan (look at the files, read a reference, see
whether the variables are there, run the script that the skill's text names), and the answer quotes
what each step returned.
"""

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any

from local_platform.demo_model.conversation import Conversation, ToolResult
from local_platform.demo_model.reply import Pace, Reply, ToolCall
from local_platform.demo_model.skill import Skill

SHOWN_CHARS = 1200
SHOWN_LINES = 14
MOST_WORD_CHARS = 4000
LINE_NUMBER = re.compile(r"^\s*\d+\|", re.MULTILINE)

SIGNATURE = (
    "*This was the demo model: a script that plays a model, so that you can see the whole path"
    " without a key. For real answers choose a provider in Settings and enter its key.*"
)


@dataclass(frozen=True)
class Step:
    """One tool call of the plan, and how the answer introduces what it returned."""

    call: ToolCall
    says: str


def demonstrate(conversation: Conversation, pace: Pace) -> Reply:
    steps = plan(conversation)
    if conversation.step < len(steps):
        step = steps[conversation.step]
        return Reply(
            text=_opening(conversation) if conversation.step == 0 else "",
            reasoning=_thought(conversation) if conversation.step == 0 else "",
            calls=(step.call,),
            pace=pace,
        )
    return Reply(text=_answer(conversation, steps), pace=pace)


def plan(conversation: Conversation) -> list[Step]:
    skill = conversation.skill
    if skill is None or not skill.directory:
        return []
    steps = _first_look(skill) if conversation.begins_skill else []
    command = skill.command(conversation.words[:MOST_WORD_CHARS])
    if command and (conversation.begins_skill or skill.asks_for_words):
        call = _tool("terminal", command=command, workdir=skill.directory)
        steps.append(Step(call, f"I ran `{_one_line(command)}` in its directory"))
    return [step for step in steps if conversation.offers(step.call.name)]


def _first_look(skill: Skill) -> list[Step]:
    listing = _tool("terminal", command=f"ls -1Ap {shlex.quote(skill.directory)}")
    steps = [Step(listing, "Its directory holds")]
    if skill.reference:
        path = f"{skill.directory}/{skill.reference}"
        steps.append(Step(_tool("read_file", path=path, limit=40), f"I read `{skill.reference}`"))
    if skill.variables:
        names = ", ".join(f"`{name}`" for name in skill.variables)
        steps.append(Step(_variables_check(skill.variables), f"It needs {names}"))
    return steps


def _variables_check(names: list[str]) -> ToolCall:
    # Only whether a variable is there: its value may be a secret and would end in the transcript.
    check = '[ -n "${name}" ] && echo {name} is set || echo {name} is not set'
    return _tool("terminal", command="; ".join(check.format(name=name) for name in names))


def _tool(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name, json.dumps(arguments, ensure_ascii=False))


def _opening(conversation: Conversation) -> str:
    if conversation.skill and conversation.begins_skill:
        return f"Let me look at what the {conversation.skill.name} skill brings."
    return "Let me try that on your new message."


def _thought(conversation: Conversation) -> str:
    name = conversation.skill.name if conversation.skill else ""
    if not conversation.begins_skill:
        return f"The {name} skill says how: its script once more, on the new words."
    return (
        f"The {name} skill is loaded. I look at its files first, follow what its text says,"
        " and then answer from what the tools return."
    )


def _answer(conversation: Conversation, steps: list[Step]) -> str:
    parts = _skill_part(conversation) + _evidence(conversation, steps)
    return "\n\n".join([*parts, *_words_part(conversation), SIGNATURE])


def _skill_part(conversation: Conversation) -> list[str]:
    skill = conversation.skill
    if skill is None:
        return ["No skill is loaded in this conversation."]
    name, turn = f"The **{skill.name}** skill", conversation.turn
    if conversation.begins_skill:
        return [f"{name} is loaded. In its own words:", _quote(skill.own_words)]
    return [f"{name} is still loaded, and this is message {turn} of our conversation."]


def _evidence(conversation: Conversation, steps: list[Step]) -> list[str]:
    parts: list[str] = []
    for step, result in zip(steps, conversation.results, strict=False):
        shown, failed = read_result(result)
        parts += [f"{step.says}{', which failed' if failed else ''}:", _block(shown)]
    return parts


def _words_part(conversation: Conversation) -> list[str]:
    if not conversation.words:
        return []
    return ["You wrote:", _quote(conversation.words)]


def read_result(result: ToolResult) -> tuple[str, bool]:
    """What a tool returned, for reading, and whether it failed."""
    try:
        fields = json.loads(result.text)
    except ValueError:
        return result.text, False
    if not isinstance(fields, dict):
        return result.text, False
    failed = bool(fields.get("error")) or fields.get("exit_code", 0) != 0
    parts = [fields[name] for name in ("output", "content", "error") if fields.get(name)]
    told = any(name in fields for name in ("output", "content", "error"))
    text = "\n".join(str(part) for part in parts) if told else result.text
    return (LINE_NUMBER.sub("", text) if result.name == "read_file" else text), failed


def _quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in _short(text).splitlines())


def _block(text: str) -> str:
    ticks = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}text\n{_short(text) or '(nothing)'}\n{fence}"


def _short(text: str) -> str:
    lines = text.strip()[:SHOWN_CHARS].splitlines()
    cut = len(text.strip()) > SHOWN_CHARS or len(lines) > SHOWN_LINES
    return "\n".join([*lines[:SHOWN_LINES], *(["…"] if cut else [])])


def _one_line(command: str) -> str:
    line = " ".join(command.split()).replace("`", "'")
    return line if len(line) <= 120 else f"{line[:119]}…"

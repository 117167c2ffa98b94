"""From what an agent tells to the entries of the journal."""

from datetime import datetime
from typing import Any

from common.contracts.sandbox import LaunchSkill

from chat_proxy.model.agent import (
    AgentEvent,
    CallStarted,
    Finished,
    InterimText,
    Note,
    ReasoningDelta,
    TextDelta,
    Tokens,
    ToolEnd,
    ToolProgress,
    ToolStart,
)
from chat_proxy.model.skill import other_skill
from chat_proxy.model.wording import Append, Change, Wording
from chat_proxy.service.outcome import COMPLETED, Outcome, outcome_of
from chat_proxy.service.writer import JournalWriter

OTHER_SKILL = "other_skill"
_UNFINISHED = "The turn ended before this tool did."


class Scribe:
    """Writes one turn. `open_tools` are the calls without an end, the last one last; `finished` is
    set by the agent's own end.
    """

    def __init__(self, writer: JournalWriter, skill: LaunchSkill) -> None:
        self._writer = writer
        self._skill = skill
        self._directory = ""
        stretches = writer.answer.stretches()
        self._wording = Wording("".join(stretches[:-1]), stretches[-1])
        self.known_tools: set[str] = set()
        self.ended_tools: set[str] = set()
        self.open_tools: dict[str, str] = {}
        self.other_skills: list[str] = []
        self.answered = any(stretches)
        self.finished: Finished | None = None
        self._restore()

    def reached(self, skill_directory: str) -> None:
        self._directory = skill_directory

    def write(self, event: AgentEvent) -> None:
        match event:
            case TextDelta(text=text):
                self.answered = True
                self._writer.text(text)
                self._follow(text)
            case ReasoningDelta(text=text):
                self._writer.text(text, type_="reasoning")
            case CallStarted():
                self._wording.call_started()
            case InterimText(text=text, streamed=streamed):
                self._apply(self._wording.interim(text, streamed=streamed))
            case Finished():
                self.finished = event
            case Note(text=text, code=code):
                self.note(text, code)
            case _:
                self._write_tool(event)

    def say(self, text: str, now: datetime) -> bool:
        """Write and tell a piece of text; False when the bus has no room for more."""
        self.answered = True
        has_room = self._writer.say(text, now)
        return self._writer.publish(now) if self._follow(text) else has_room

    def note(self, text: str, code: str = "") -> None:
        self._writer.add("notice", text=text, code=code)

    def restate(self, text: str) -> None:
        """Put `text` in the place of what was shown since the last tool."""
        self._writer.add("text.replaced", text=text, reason="put right after an interruption")
        self._wording = Wording(shown=text)

    def outcome(self, finished: Finished) -> Outcome:
        """How the turn ends with this end of the agent; completes the shown answer."""
        repeats = self._wording.repeats(finished.text)
        outcome = outcome_of(finished, answered=self.answered, repeats=repeats)
        if outcome is COMPLETED:
            self._apply(self._wording.finish(finished.text))
        if finished.warning:
            self.note(finished.warning, "agent_warning")
        return outcome

    def tokens(self, tokens: Tokens) -> None:
        self._writer.add(
            "usage",
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            total_tokens=tokens.total,
            calls=tokens.calls,
        )

    def tool_end(self, event: ToolEnd, *, recovered: bool = False) -> None:
        if event.call_id not in self.known_tools:
            self._write_tool(ToolStart(event.call_id, event.name, arguments=event.arguments))
        self.open_tools.pop(event.call_id, None)
        self.ended_tools.add(event.call_id)
        self._note_skill(event.name, event.arguments)
        self._writer.add(
            "tool.completed",
            call_id=event.call_id,
            name=event.name,
            arguments=event.arguments,
            duration_s=event.duration_s,
            error=event.error,
            result=event.result,
            recovered=recovered,
        )

    def close_tools(self) -> None:
        for call_id, name in list(self.open_tools.items()):
            self.tool_end(ToolEnd(call_id, name, error=True, result=_UNFINISHED))

    def _write_tool(self, event: AgentEvent) -> None:
        match event:
            case ToolStart(call_id=call_id, name=name, preview=preview, arguments=arguments):
                if call_id in self.known_tools:
                    return
                self._wording.tool_started()
                self.known_tools.add(call_id)
                self.open_tools[call_id] = name
                self._note_skill(name, arguments)
                self._writer.add(
                    "tool.started",
                    call_id=call_id,
                    name=name,
                    preview=preview,
                    arguments=arguments,
                )
            case ToolProgress(call_id=call_id, text=text):
                self._writer.add("tool.progress", call_id=call_id, text=text)
            case ToolEnd():
                if event.call_id not in self.ended_tools:
                    self.tool_end(event)
            case _:
                pass

    def _follow(self, text: str) -> bool:
        """Whether the piece puts something in the place of what was shown."""
        replaced = self._wording.delta(text)
        if replaced is None:
            return False
        self._apply([replaced])
        return True

    def _apply(self, changes: list[Change]) -> None:
        for change in changes:
            self.answered = True
            if isinstance(change, Append):
                self._writer.text(change.text)
            else:
                self._writer.add("text.replaced", text=change.text, reason=change.reason)

    def _note_skill(self, name: str, arguments: dict[str, Any] | None) -> None:
        other = other_skill(name, arguments, self._skill, self._directory)
        if other is not None and other not in self.other_skills:
            self.other_skills.append(other)
            self.note(f"The agent also loaded the skill {other}.", OTHER_SKILL)

    def _restore(self) -> None:
        for segment in self._writer.answer.segments:
            call_id = segment.fields.get("call_id", "")
            if segment.type == "tool.started":
                self.known_tools.add(call_id)
                self.open_tools[call_id] = segment.fields.get("name", "")
            elif segment.type == "tool.completed":
                self.ended_tools.add(call_id)
                self.open_tools.pop(call_id, None)

"""A session as one document: Markdown for people, JSON for programs."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from chat_proxy.model.journal import Answer, Entry
from chat_proxy.model.session import ChatSession
from chat_proxy.model.turn import Turn

FORMAT = "tryskills.session/1"

Render = Callable[[dict[str, Any]], str]


def to_json(
    session: ChatSession, turns: Sequence[tuple[Turn, Answer]], entries: "Entries", at: datetime
) -> str:
    """Everything there is, entry by entry."""
    document = {
        "format": FORMAT,
        "exported_at": at.isoformat(),
        "session": {
            "id": session.id,
            "title": session.title,
            "skill": session.skill.model_dump(mode="json"),
            "created_at": session.created_at.isoformat(),
            "updated_at": session.updated_at.isoformat(),
        },
        "turns": [_turn(turn, entries(answer)) for turn, answer in turns],
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def to_markdown(
    session: ChatSession, turns: Sequence[tuple[Turn, Answer]], entries: "Entries", at: datetime
) -> str:
    """What a reader of the chat saw, tools folded away."""
    skill = session.skill
    place = "/".join(part for part in (skill.owner, skill.repo, skill.path) if part)
    parts = [
        f"# {_line(session.title)}",
        f"Skill `{place}` at commit `{skill.commit}` (`{skill.digest}`). "
        f"Begun {_when(session.created_at)}, exported {_when(at)}.",
    ]
    for _, answer in turns:
        parts += _told(entries(answer))
    return "\n\n".join(parts) + "\n"


Entries = Callable[[Answer], list[Entry]]
"""The entries of an answer, as they shall be shown."""


def whole_entries(answer: Answer) -> list[Entry]:
    return answer.after(0)


def file_name(session: ChatSession, suffix: str) -> str:
    """A name that every file system takes."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", session.title).strip("-").lower()[:60].strip("-")
    return f"{plain or 'session'}-{session.created_at:%Y-%m-%d}.{suffix}"


def _turn(turn: Turn, entries: Iterable[Entry]) -> dict[str, Any]:
    return {
        "id": turn.id,
        "state": turn.state.value,
        "created_at": turn.created_at.isoformat(),
        "ended_at": turn.ended_at.isoformat() if turn.ended_at else None,
        "skill_digest": turn.skill_digest,
        "other_skills": list(turn.other_skills),
        "error": turn.error.model_dump(mode="json") if turn.error else None,
        "entries": [
            {
                "seq": entry.seq,
                "seq_from": entry.first,
                "at": entry.at.isoformat(),
                "type": entry.type,
                **entry.fields,
            }
            for entry in entries
        ],
    }


def _told(entries: Iterable[Entry]) -> list[str]:
    blocks: list[tuple[str, str]] = []
    for entry in entries:
        if entry.type == "text.replaced":
            blocks = _without_last_text(blocks)
        _add(blocks, entry)
    return [text for _, text in blocks if text.strip()]


def _add(blocks: list[tuple[str, str]], entry: Entry) -> None:
    kind = _KINDS.get(entry.type)
    if kind is None:
        return
    text = _RENDER[kind](entry.fields)
    if kind in {"text", "reasoning"} and blocks and blocks[-1][0] == kind:
        blocks[-1] = (kind, blocks[-1][1] + text)
    else:
        blocks.append((kind, text))


def _without_last_text(blocks: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without the text since the last tool, which a replacement stands for."""
    tools = [index for index, (kind, _) in enumerate(blocks) if kind in {"tool", "user"}]
    since = tools[-1] + 1 if tools else 0
    return blocks[:since] + [block for block in blocks[since:] if block[0] != "text"]


def _user(fields: dict[str, Any]) -> str:
    attached = "".join(f"\n\n*Attached: `{path}`*" for path in fields.get("attachments") or ())
    return f"## You\n\n{fields['text'].strip()}{attached}\n\n## Agent"


def _tool(fields: dict[str, Any]) -> str:
    result = "failed" if fields.get("error") else "done"
    took = fields.get("duration_s")
    title = f"{fields.get('name') or 'tool'}: {result}"
    title += f" in {took:.1f} s" if isinstance(took, int | float) else ""
    shown = [f"<details><summary>{_escaped(title)}</summary>"]
    if fields.get("arguments"):
        arguments = json.dumps(fields["arguments"], ensure_ascii=False, indent=1)
        shown.append(fenced(arguments, "json"))
    if fields.get("result"):
        shown.append(fenced(str(fields["result"])))
    return "\n\n".join([*shown, "</details>"])


def _approval(fields: dict[str, Any]) -> str:
    choice = fields.get("choice") or "no answer"
    told = f"> Approval: {choice} ({fields['state']})."
    return f"{told} {_line(fields['detail'])}" if fields.get("detail") else told


def _ended(fields: dict[str, Any]) -> str:
    error = fields.get("error")
    if error:
        return f"> **Failed** ({error['code']}): {_line(error['detail'])}"
    return "> Stopped." if fields["state"] == "stopped" else ""


_KINDS = {
    "turn.started": "user",
    "text": "text",
    "text.replaced": "text",
    "reasoning": "reasoning",
    "tool.completed": "tool",
    "approval.requested": "question",
    "approval.resolved": "approval",
    "notice": "notice",
    "turn.ended": "ended",
}

_RENDER: dict[str, Render] = {
    "user": _user,
    "text": lambda fields: fields["text"],
    # A reader of Markdown has not asked for it; the JSON holds it.
    "reasoning": lambda _: "",
    "tool": _tool,
    "question": lambda fields: f"> The agent asked to run:\n\n{fenced(fields['command'], 'sh')}",
    "approval": _approval,
    "notice": lambda fields: f"> {_line(fields['text'])}",
    "ended": _ended,
}


def fenced(text: str, language: str = "") -> str:
    """A code block that its own text cannot end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _line(text: str) -> str:
    return " ".join(str(text).split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"

"""Entities as the contracts show them."""

import logging
from typing import Any

from common.contracts import chat as contract
from pydantic import TypeAdapter, ValidationError

from chat_proxy.model.approval import Approval
from chat_proxy.model.journal import Answer, Entry
from chat_proxy.model.session import ChatSession
from chat_proxy.model.share import Share
from chat_proxy.model.turn import Turn
from chat_proxy.model.usage import Spent

logger = logging.getLogger(__name__)

_ENTRY: TypeAdapter[contract.JournalEntry] = TypeAdapter(contract.JournalEntry)


def to_session(session: ChatSession, turn_id: str | None) -> contract.Session:
    """`turn_id` is the turn that runs in it."""
    return contract.Session(**_session(session, turn_id))


def to_detail(
    session: ChatSession, turn_id: str | None, messages: list[contract.ChatMessage]
) -> contract.SessionDetail:
    return contract.SessionDetail(**_session(session, turn_id), messages=messages)


def tokens_used(spent: Spent) -> contract.TokensUsed:
    return contract.TokensUsed(
        calls=spent.calls,
        input_tokens=spent.input,
        output_tokens=spent.output,
        total_tokens=spent.total,
        estimated_tokens=spent.estimated,
    )


def to_turn(turn: Turn, spent: Spent | None = None) -> contract.Turn:
    return contract.Turn(
        id=turn.id,
        session_id=turn.session_id,
        state=turn.state,
        text=turn.text,
        attachments=list(turn.attachments),
        skill_digest=turn.skill_digest,
        other_skills=list(turn.other_skills),
        error=turn.error,
        seq_from=turn.seq_from,
        usage=tokens_used(spent) if spent else None,
        created_at=turn.created_at,
        ended_at=turn.ended_at,
    )


def to_approval(approval: Approval) -> contract.Approval:
    return contract.Approval(
        id=approval.id,
        session_id=approval.session_id,
        turn_id=approval.turn_id,
        state=approval.state,
        choice=approval.choice,
        command=approval.command,
        description=approval.description,
        detail=approval.detail,
        expires_at=approval.expires_at,
        decided_at=approval.decided_at,
    )


def to_share(share: Share) -> contract.Share:
    return contract.Share(
        id=share.id,
        session_id=share.session_id,
        with_tools=share.with_tools,
        with_reasoning=share.with_reasoning,
        last_seq=share.last_seq,
        created_at=share.created_at,
        expires_at=share.expires_at,
    )


def to_entry(entry: Entry) -> contract.JournalEntry:
    """The entry; one of a type that this process does not know is shown as a notice."""
    numbers = {
        "seq": entry.seq,
        "seq_from": entry.seq_from,
        "at": entry.at,
        "turn_id": entry.turn_id,
    }
    try:
        return _ENTRY.validate_python({"type": entry.type, **entry.fields, **numbers})
    except ValidationError:
        logger.warning("an entry of type %s cannot be read", entry.type)
        return contract.Notice(**numbers, text=f"Something newer: {entry.type}", code="unknown")


def to_messages(answer: Answer) -> list[contract.ChatMessage]:
    """What the person said and what the agent answered in one turn."""
    started = next((one for one in answer.segments if one.type == "turn.started"), None)
    if started is None:
        return []
    question = contract.ChatMessage(
        id=f"{answer.turn_id}_user",
        turn_id=answer.turn_id,
        role="user",
        text=started.fields["text"],
        attachments=started.fields.get("attachments", []),
        created_at=started.at,
    )
    reply = contract.ChatMessage(
        id=f"{answer.turn_id}_assistant",
        turn_id=answer.turn_id,
        role="assistant",
        text=answer.text,
        entries=[to_entry(entry) for entry in answer.after(0)],
        created_at=answer.segments[-1].at,
    )
    return [question, reply]


def _session(session: ChatSession, turn_id: str | None) -> dict[str, Any]:
    return {
        "id": session.id,
        "title": session.title,
        "skill": session.skill,
        "launch_id": session.launch_id,
        "turn_id": turn_id,
        "last_seq": session.last_seq,
        "created_at": session.created_at,
        "updated_at": session.updated_at,
    }

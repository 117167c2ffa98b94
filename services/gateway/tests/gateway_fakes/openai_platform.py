"""The services behind OpenAI's API, as far as a completion needs them."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import openai
from common.contracts import chat, sandbox
from common.contracts.base import Empty
from common.errors import ErrorCode, NotFoundError
from common.testing.bus import FakeJournals, FakeServices
from openai.types.chat import ChatCompletionChunk

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LAUNCH_ID, TURN_ID = "lau_" + "1" * 20, "tur_" + "3" * 20
SESSION_ID = "ses_" + "2" * 20
SKILL = sandbox.LaunchSkill(
    ref="acme/tools/pdf",
    owner="acme",
    repo="tools",
    commit="c" * 40,
    path="skills/pdf",
    name="pdf",
    digest="sha256:" + "a" * 64,
    directory="acme--tools--pdf",
)
SESSION = chat.Session(
    id=SESSION_ID,
    title="Hi",
    skill=SKILL,
    launch_id=LAUNCH_ID,
    created_at=AT,
    updated_at=AT,
)
TURN = chat.Turn(
    id=TURN_ID,
    session_id=SESSION_ID,
    state=chat.TurnState.PENDING,
    text="hi",
    seq_from=1,
    created_at=AT,
)
PAGE = f"http://127.0.0.1:8000/acme/tools/skills/pdf?session={SESSION_ID}"
MESSAGES: Any = [{"role": "user", "content": "hi"}]


def of(seq: int, kind: type, turn_id: str = TURN_ID, **fields: Any) -> Any:
    return kind(seq=seq, at=AT, turn_id=turn_id, **fields)


ANSWER = [
    of(1, chat.TurnStarted, text="hi"),
    of(2, chat.Reasoning, text="hmm"),
    of(3, chat.Text, text="Let me see."),
    of(4, chat.ToolStarted, call_id="c", name="terminal", preview="ls"),
    of(5, chat.ToolCompleted, call_id="c", name="terminal", result="a.pdf"),
    of(6, chat.Text, text="\n\nOne file."),
    of(7, chat.Usage, input_tokens=11, output_tokens=3, total_tokens=14, calls=2),
    of(8, chat.TurnEnded, state="completed"),
]


@dataclass
class Platform:
    """The services behind the gateway; `entries` is the session's journal."""

    services: FakeServices
    journals: FakeJournals
    entries: list[Any] = field(default_factory=lambda: list(ANSWER))
    threads: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        answers: list[tuple[Any, Any]] = [
            (sandbox.START_LAUNCH, self.launch()),
            (chat.CREATE_SESSION, SESSION),
            (chat.FIND_SESSION, SESSION),
            (chat.START_TURN, TURN),
            (chat.STOP_TURN, TURN),
            (chat.GET_TURN, TURN.model_copy(update={"usage": chat.TokensUsed(total_tokens=9)})),
            (chat.ATTACH, self.attach),
            (chat.KEEP_THREAD, self.keep),
            (chat.TAKE_THREAD, self.take),
            (chat.ANSWER_APPROVAL, self.approval),
        ]
        for rpc, reply in answers:
            self.services.answer(rpc, reply)

    def launch(self, state: str = "ready", **fields: Any) -> sandbox.Launch:
        return sandbox.Launch(
            id=LAUNCH_ID,
            ref="acme/tools/pdf",
            path=None,
            state=sandbox.LaunchState(state),
            phases=[],
            skill=SKILL,
            created_at=AT,
            **fields,
        )

    def attach(self, request: chat.Attach) -> chat.Attached:
        entries = [one for one in self.entries if one.seq > request.after]
        return chat.Attached(entries=entries, last_seq=self.entries[-1].seq)

    def keep(self, request: chat.KeepThread) -> Empty:
        self.threads[request.thread] = request.session_id
        return Empty()

    def take(self, request: chat.TakeThread) -> chat.Session:
        if self.threads.pop(request.thread, None) is None:
            raise NotFoundError("no such session", code=ErrorCode.SESSION_NOT_FOUND)
        return SESSION

    def approval(self, request: chat.AnswerApproval) -> chat.Approval:
        return chat.Approval(
            id=request.approval_id,
            session_id=SESSION_ID,
            turn_id=TURN_ID,
            state=chat.ApprovalState.DELIVERED,
            choice=request.choice,
            command="rm -rf x",
            expires_at=AT,
        )

    def asked(self, kind: type) -> list[Any]:
        return [one for one in self.services.asked if isinstance(one, kind)]

    async def write(self, *entries: Any) -> None:
        """Live entries, once somebody follows."""
        async with asyncio.timeout(5):
            while not self.journals.count():
                await asyncio.sleep(0)
        self.entries += entries
        lines = [one.model_dump_json().encode() for one in entries]
        await self.journals.publish(chat.session_journal(SESSION_ID), *lines)


async def streamed(
    ai: openai.AsyncOpenAI, into: list[ChatCompletionChunk] | None = None, **options: Any
) -> list[ChatCompletionChunk]:
    """Every chunk; `into` keeps those before a failure."""
    heard: list[ChatCompletionChunk] = [] if into is None else into
    asked = {"model": "acme/tools/pdf", "messages": MESSAGES, "stream": True, **options}
    async for chunk in await ai.chat.completions.create(**asked):
        heard.append(chunk)
    return heard


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)


def extensions(chunks: list[ChatCompletionChunk]) -> list[Any]:
    return [one.tryskills for one in chunks if hasattr(one, "tryskills")]

"""One turn on the terminal: the answer as it grows, the tools, the approvals."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from contextlib import aclosing

from tryskills.client import Client
from tryskills.errors import ApiError, UnreachableError
from tryskills.models import Entry
from tryskills.terminal import Terminal

CHOICES = ("once", "session", "always", "deny")
MOST_PREVIEW = 200
LOST = "agent_lost: the stream ended before the turn"


class Conversation:
    """`approve` answers every approval; without it the person is asked, and nobody means no."""

    def __init__(
        self, client: Client, terminal: Terminal, session_id: str, approve: str | None
    ) -> None:
        self._client = client
        self._terminal = terminal
        self._session_id = session_id
        self._approve = approve
        self._tools: dict[str, str] = {}
        self._reasons = False
        self._answered = False

    async def say(self, text: str, attachments: Sequence[str] = ()) -> str:
        """Show the turn; why it failed, or nothing. Being cancelled stops the turn."""
        turn = await self._client.start_turn(self._session_id, text, attachments)
        failure = LOST
        try:
            async with aclosing(self._client.session_entries(self._session_id)) as entries:
                async for entry in entries:
                    await self._show(entry)
                    if entry.type == "turn.ended":
                        failure = self._failure(entry)
        except asyncio.CancelledError:
            with contextlib.suppress(ApiError, UnreachableError):
                await self._client.stop_turn(self._session_id, turn.id)
            raise
        return failure

    async def _show(self, entry: Entry) -> None:
        if self._reasons and entry.type != "reasoning":
            self._terminal.line()
            self._reasons = False
        match entry.type:
            case "text":
                self._grow(entry.text("text"))
            case "text.replaced":
                self._terminal.line()
                self._terminal.line(f"[started over: {entry.text('reason') or 'a retry'}]")
                self._grow(entry.text("text"))
            case "reasoning":
                self._terminal.grow(("" if self._reasons else "[reasoning] ") + entry.text("text"))
                self._reasons = True
            case "approval.requested":
                await self._approval(entry)
            case _:
                self._line(entry)

    def _line(self, entry: Entry) -> None:
        match entry.type:
            case "tool.started":
                self._tools[entry.text("call_id")] = entry.text("name")
                self._terminal.line(f"[tool] {entry.text('name')}: {preview(entry)}")
            case "tool.completed":
                self._terminal.line(f"[tool] {self._name_of(entry)} {outcome(entry)}")
            case "approval.resolved":
                told = entry.text("detail") or entry.text("choice")
                self._terminal.line(f"[approval] {entry.text('state')}: {told}")
            case "notice":
                self._terminal.line(f"[notice] {entry.text('text')}")
            case "usage":
                given, made = entry.text("input_tokens"), entry.text("output_tokens")
                self._terminal.line(f"[usage] {given} tokens in, {made} tokens out")
            case _:
                pass

    def _grow(self, text: str) -> None:
        self._answered = self._answered or bool(text.strip())
        self._terminal.grow(text)

    def _name_of(self, entry: Entry) -> str:
        return entry.text("name") or self._tools.get(entry.text("call_id"), "tool")

    async def _approval(self, entry: Entry) -> None:
        self._terminal.line(f"[approval] the agent asks to run: {entry.text('command')}")
        if entry.text("description"):
            self._terminal.line(f"           because it is flagged: {entry.text('description')}")
        choices = [str(choice) for choice in entry.data.get("choices") or CHOICES]
        choice = self._approve or await self._ask(choices)
        self._terminal.line(f"[approval] answering: {choice}")
        try:
            await self._client.answer(self._session_id, entry.text("approval_id"), choice)
        except ApiError as error:
            self._terminal.line(f"[approval] not taken: {error}")

    async def _ask(self, choices: list[str]) -> str:
        if not self._terminal.interactive:
            self._terminal.line("[approval] nobody can be asked here; --approve answers instead")
        answer = await self._terminal.ask(f"           {' / '.join(choices)}? [deny] ", "deny")
        return answer if answer in choices else "deny"

    def _failure(self, entry: Entry) -> str:
        state = entry.text("state")
        if state == "completed":
            return "" if self._answered else "empty_answer: the agent has said nothing"
        error = entry.data.get("error") or {}
        return f"{error.get('code', state)}: {error.get('detail', f'the turn has {state}')}"


def preview(entry: Entry) -> str:
    told = entry.text("preview")
    if not told and entry.data.get("arguments"):
        told = json.dumps(entry.data["arguments"], ensure_ascii=False)
    return " ".join(told.split())[:MOST_PREVIEW]


def outcome(entry: Entry) -> str:
    took = entry.data.get("duration_s")
    how = "failed" if entry.data.get("error") else "done"
    return how if took is None else f"{how} in {float(took):.1f} s"

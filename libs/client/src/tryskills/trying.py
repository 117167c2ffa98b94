"""`tryskills try`: from what a user pastes to the agent's answer."""

import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from tryskills.client import Client
from tryskills.conversation import Conversation
from tryskills.models import Entry, Launch, Session, Skill
from tryskills.terminal import Terminal

FAILED = 1
MOST_FINDINGS = 20
BLOCKED = "skill_blocked: the safety report forbids this skill"
NOT_ACCEPTED = "report_not_acknowledged: accept the report with --accept-report"


@dataclass(frozen=True)
class Wish:
    """What to try; `approve` answers every approval, `accept_report` accepts a confirm verdict,
    `attached` are files by name.
    """

    ref: str
    prompt: str
    approve: str | None = None
    accept_report: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    attached: Mapping[str, bytes] = field(default_factory=dict)


class Refused(Exception):  # noqa: N818 (no fault: the user or a verdict said no)
    """The trial ends here, for the reason that it carries."""


class Trial:
    """One trial on the terminal."""

    def __init__(self, client: Client, terminal: Terminal, wish: Wish) -> None:
        self._client = client
        self._terminal = terminal
        self._wish = wish

    async def run(self) -> int:
        """The exit status: 0 when the agent has answered."""
        try:
            skill = await self._client.resolve(self._wish.ref)
            self._show(skill)
            report_ack = await self._acknowledge(skill)
            await self._give_variables(skill)
            session = await self._ready(skill, report_ack)
        except Refused as reason:
            self._terminal.line(f"error: {reason}")
            return FAILED
        page = f"{self._client.url}/{skill.place}?session={session.id}"
        return await self._converse(session, page)

    def _show(self, skill: Skill) -> None:
        self._terminal.field("Skill", f"{skill.name} ({skill.place} at {skill.commit[:12]})")
        self._terminal.field("Digest", skill.digest)
        self._terminal.field("Report", skill.verdict)
        for finding in skill.findings[:MOST_FINDINGS]:
            where = f"{finding.get('file', '')}:{finding.get('line', 0)}"
            told = f"{finding.get('severity', '')} {finding.get('rule', '')} in {where}"
            self._terminal.line(f"  {told}: {finding.get('excerpt', '')}")
        for warning in skill.warnings:
            self._terminal.field("Warning", warning)
        for variable in skill.variables:
            if variable.get("required") and variable["name"] not in self._wish.variables:
                name, why = variable["name"], variable.get("description", "")
                self._terminal.field("Needs", f"{name}: {why} (give it with --set {name}=VALUE)")

    async def _acknowledge(self, skill: Skill) -> str | None:
        if skill.verdict == "block":
            raise Refused(BLOCKED)
        if skill.verdict != "confirm":
            return None
        if self._wish.accept_report:
            return skill.digest
        answer = await self._terminal.ask("Launch it in spite of the report? [y/N] ", "n")
        if answer.lower() not in ("y", "yes"):
            raise Refused(NOT_ACCEPTED)
        return skill.digest

    async def _give_variables(self, skill: Skill) -> None:
        for name, value in self._wish.variables.items():
            await self._client.put_key(name, value, skill)

    async def _ready(self, skill: Skill, report_ack: str | None) -> Session:
        began = time.monotonic()
        launch = await self._client.launch(self._wish.ref, skill.digest, report_ack)
        view = LaunchView(self._terminal, launch)
        async with aclosing(self._client.launch_entries(launch.id)) as entries:
            async for entry in entries:
                view.show(entry)
        if view.failure:
            raise Refused(view.failure)
        self._terminal.field("Ready", f"{view.path} launch in {time.monotonic() - began:.2f} s")
        return await self._client.create_session(launch.id)

    async def _converse(self, session: Session, page: str) -> int:
        self._terminal.field("Session", page)
        self._terminal.line()
        conversation = Conversation(self._client, self._terminal, session.id, self._wish.approve)
        attachments: list[str] = []
        if self._wish.attached:
            attachments = await self._client.upload(session.id, self._wish.attached)
            self._terminal.field("Attached", ", ".join(attachments))
        failure = await conversation.say(self._wish.prompt, attachments)
        self._terminal.line()
        if failure:
            self._terminal.line(f"error: {failure}")
        self._terminal.field("Session", page)
        return FAILED if failure else 0


class LaunchView:
    """The launch as it goes: its path, its phases, how it ended."""

    def __init__(self, terminal: Terminal, launch: Launch) -> None:
        self._terminal = terminal
        self.path = launch.path
        self.failure = ""
        if launch.path:
            terminal.field("Launch", launch.path)

    def show(self, entry: Entry) -> None:
        match entry.type:
            case "launch.started" | "launch.planned":
                self._take(entry.text("path"), entry.text("reason"))
            case "phase.completed":
                took_s = float(entry.data.get("duration_ms") or 0) / 1000
                told = f"  {entry.text('phase'):10} {took_s:6.2f} s  {entry.text('detail')}"
                self._terminal.line(told.rstrip())
            case "phase.failed":
                self._terminal.line(f"  {entry.text('phase'):10} failed: {entry.text('detail')}")
            case "notice":
                self._terminal.line(f"  {entry.text('text')}")
            case "launch.ended":
                self._take(entry.text("path"), "")
                self._end(entry)
            case _:
                pass

    def _take(self, path: str, reason: str) -> None:
        if path and path != self.path:
            self.path = path
            self._terminal.field("Launch", f"{path}{f' ({reason})' if reason else ''}")

    def _end(self, entry: Entry) -> None:
        state = entry.text("state")
        if state != "ready":
            error = entry.data.get("error") or {}
            self.failure = f"{error.get('code', state)}: {error.get('detail', 'it has ended')}"

"""The bus or the store is killed in mid-answer and comes back: nothing lost, nothing doubled."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from common.contracts import chat
from common.contracts.chat import ApprovalChoice, TurnState
from common.errors import ConflictError, UnavailableError
from common.testing.servers import free_port, listening, script

OWNER = "own_" + "a" * 20
WORDS = 100
SLOW = f"[[tokens:{WORDS}]][[chunkdelay:0.05]]"
WHOLE = " ".join(f"w{number}" for number in range(WORDS))
AWAY_S = 1.5


@dataclass
class Server:
    """A server that can be killed and started again with its data."""

    command: list[str]
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = [part.format(port=self.port) for part in self.command]
        self.process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        await listening(self.port)

    async def kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
            self.process = None


@dataclass
class Outage:
    platform: Any
    bus: Server
    store: Server


@pytest.fixture
async def outage(
    tmp_path: Path, serve_neighbours: Any, make_platform: Any
) -> AsyncIterator[Outage]:
    bus = Server([script("nats-server"), "-p", "{port}", "-js", "-sd", str(tmp_path / "bus")])
    secantus = [script("secantusd-py"), "--port", "{port}", "--sync-on-commit"]
    store = Server([*secantus, "--storage-path", str(tmp_path / "store"), "--log-level", "ERROR"])
    await bus.start()
    await store.start()
    bus_url, store_uri = f"nats://127.0.0.1:{bus.port}", f"mongodb://127.0.0.1:{store.port}"
    async with (
        serve_neighbours(bus_url) as neighbours,
        make_platform(bus_url, store_uri, neighbours) as platform,
    ):
        yield Outage(platform, bus, store)
    await bus.kill()
    await store.kill()


async def answered_through(outage: Outage, server: Server) -> list[Any]:
    """The journal of a turn in whose middle `server` was killed and started again."""
    platform = outage.platform
    await platform.start()
    session = await platform.session()
    turn = await platform.say(session, SLOW)
    await platform.entry(session.id, "text")

    await server.kill()
    await asyncio.sleep(AWAY_S)
    await server.start()

    await asyncio.sleep(1)
    ended = await platform.ended(turn, within=60)
    assert ended.state is TurnState.COMPLETED
    entries: list[Any] = await platform.entries(session.id)
    return entries


async def answers(platform: Any, session: Any, asked: Any, choice: ApprovalChoice) -> Any:
    """The first answer that is one: as a page tries again."""
    request = chat.AnswerApproval(
        owner_id=OWNER, session_id=session.id, approval_id=asked.approval_id, choice=choice
    )
    async with asyncio.timeout(30):
        while True:
            try:
                return await platform.rpc.call(chat.ANSWER_APPROVAL, request)
            except ConflictError as exc:
                return chat.Approval.model_validate(exc.extra["approval"])
            except UnavailableError:
                await asyncio.sleep(0.2)


class TestKilledInMidApproval:
    @pytest.mark.parametrize("name", ["bus", "store"])
    @pytest.mark.parametrize("choice", [ApprovalChoice.ONCE, ApprovalChoice.DENY])
    async def test_the_answer_counts_once(
        self, outage: Outage, name: str, choice: ApprovalChoice, tmp_path: Path
    ) -> None:
        platform, server = outage.platform, getattr(outage, name)
        mark = tmp_path / "ran"
        await platform.start()
        session = await platform.session()
        turn = await platform.say(session, dangerous(mark))
        asked = await platform.entry(session.id, "approval.requested")

        await server.kill()
        answering = asyncio.ensure_future(answers(platform, session, asked, choice))
        await asyncio.sleep(AWAY_S)
        await server.start()

        approval = await answering
        ended = await platform.ended(turn, within=60)
        entries = await platform.entries(session.id)
        resolved = [entry for entry in entries if entry.type == "approval.resolved"]
        assert ended.state is TurnState.COMPLETED
        assert approval.choice is choice
        assert [(one.state, one.choice) for one in resolved] == [("delivered", choice)]
        assert ran(mark) == (choice is ApprovalChoice.ONCE)

    async def test_killed_while_the_answer_is_on_its_way(
        self, outage: Outage, tmp_path: Path
    ) -> None:
        platform, mark = outage.platform, tmp_path / "ran"
        await platform.start()
        session = await platform.session()
        turn = await platform.say(session, dangerous(mark))
        asked = await platform.entry(session.id, "approval.requested")

        answering = asyncio.ensure_future(answers(platform, session, asked, ApprovalChoice.ONCE))
        await asyncio.sleep(0.003)
        await outage.store.kill()
        await asyncio.sleep(AWAY_S)
        await outage.store.start()

        await answering
        ended = await platform.ended(turn, within=60)
        entries = await platform.entries(session.id)
        resolved = [entry.state for entry in entries if entry.type == "approval.resolved"]
        assert ended.state is TurnState.COMPLETED
        assert resolved == ["delivered"]
        assert ran(mark) == 1


def dangerous(mark: Path) -> str:
    """A prompt for a command that needs an approval and can be counted."""
    command = {"command": f"rm -rf {mark}.gone; echo once >> {mark}"}
    return f"[[tool:terminal {json.dumps(command)}]][[say:done]]"


def ran(mark: Path) -> int:
    return len(mark.read_text().split()) if mark.exists() else 0


class TestKilled:
    @pytest.mark.parametrize("name", ["bus", "store"])
    async def test_the_answer_is_whole_and_its_numbers_have_no_gap(
        self, outage: Outage, name: str
    ) -> None:
        entries = await answered_through(outage, getattr(outage, name))

        text = "".join(entry.text for entry in entries if entry.type == "text")
        numbers = [n for e in entries for n in range(e.seq_from or e.seq, e.seq + 1)]
        assert text.strip() == WHOLE
        assert numbers == list(range(1, len(numbers) + 1))
        assert entries[-1].type == "turn.ended"

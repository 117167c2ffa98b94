"""The relay killed in the middle of answers of the real Hermes, counted apart: the model's
connection breaks, and what Hermes makes of that is an answer that is whole, one that was started
over and replaced, or a failure that says so.
"""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from common.testing.servers import free_port

from chaos.agent import TOKEN
from chaos.person import Person
from chaos.stage import HERE, Program, Stage, neighbours_of
from chaos.viewer import Viewer, shown

SESSIONS = 8
WORDS = 60
_AWAY_S = 1.0
_BREAK_S = 2.0
_END_S = 120.0
_PROMPT = f"[[tokens:{WORDS}]][[chunkdelay:0.1]]"
_WHOLE = " ".join(f"w{number}" for number in range(WORDS))
_ROOTS = HERE.parents[3] / ".local" / "daytona" / "roots"
_CONFIG = """\
model:
  default: demo
  provider: custom
  base_url: "http://127.0.0.1:{port}/llm/v1"
  api_key: relay-token-of-the-sandbox
  context_length: 131072
  max_tokens: 8192
approvals: {{mode: manual, timeout: 300}}
platform_toolsets: {{cli: [terminal]}}
memory: {{nudge_interval: 0}}
skills: {{creation_nudge_interval: 0}}
security: {{tirith_enabled: false, allow_lazy_installs: false}}
"""


@dataclass
class RelayCount:
    """How the answers ended; `wrong` is text that is neither whole nor said to have failed."""

    answers: int = 0
    whole: int = 0
    started_over: int = 0
    failed: int = 0
    wrong: int = 0
    reasons: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def answer(self, entries: Sequence[dict[str, Any]]) -> None:
        self.answers += 1
        ended: dict[str, Any] = entries[-1] if entries else {"type": "nothing", "state": ""}
        text = shown(entries)
        if ended["type"] == "turn.ended" and ended["state"] == "failed":
            self.failed += 1
            self.reasons.append(f"{ended['error']['code']}: {ended['error']['detail']}")
        elif ended["type"] == "turn.ended" and text.split() == _WHOLE.split():
            # Where Hermes has its model go on, a space may come twice.
            replaced = any(entry["type"] == "text.replaced" for entry in entries)
            self.started_over += replaced
            self.whole += not replaced
        else:
            self.wrong += 1
            self.problems.append(f"{ended['type']} {ended.get('state')} with {text!r}")


async def killed(stage: Stage, http: aiohttp.ClientSession, seed: int) -> RelayCount:
    count, chance = RelayCount(), random.Random(seed)
    ports = [gateway.port for gateway in stage.gateways]
    async with _hermes(stage) as relay:
        person = Person(http, ports)
        sessions = [await person.session() for _ in range(SESSIONS)]
        viewers = [Viewer(one, ports, chance=chance) for one in sessions]
        answers = asyncio.gather(
            *(
                _answer(person, session, viewer)
                for session, viewer in zip(sessions, viewers, strict=True)
            )
        )
        async with asyncio.timeout(_END_S):
            await _all_speak(viewers)
        await asyncio.sleep(chance.uniform(0, _BREAK_S))
        await relay.kill()
        await asyncio.sleep(_AWAY_S)
        await relay.start()
        for entries in await answers:
            count.answer(entries)
    return count


async def _answer(person: Person, session_id: str, viewer: Viewer) -> list[dict[str, Any]]:
    turn_id = await person.say(session_id, _PROMPT)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await viewer.follow(lambda seen: seen.ended(turn_id))
    return viewer.seen.of_turn(turn_id)


async def _all_speak(viewers: Sequence[Viewer]) -> None:
    while not all(any(e["type"] == "text" for e in one.seen.entries) for one in viewers):
        await asyncio.sleep(0.05)


@asynccontextmanager
async def _hermes(stage: Stage) -> AsyncIterator[Program]:
    """The real agent in the place of the other one; its model is behind the relay."""
    model_port, relay_port, logs = free_port(), free_port(), stage.logs
    home = stage.folder / "hermes"
    home.mkdir()
    (home / "config.yaml").write_text(_CONFIG.format(port=relay_port))
    [python, *_] = sorted(_ROOTS.glob("hermes-*/hermes/bin/python"), reverse=True)
    model = Program(
        "model",
        [sys.executable, "-m", "local_platform.demo_model"],
        model_port,
        {"DEMO_MODEL_PORT": str(model_port)},
        log=logs / "model.log",
    )
    relay = Program(
        "relay",
        [sys.executable, "-m", "chat_proxy", "relay"],
        relay_port,
        {
            **stage.common,
            "RELAY_PORT": str(relay_port),
            "RELAY_DEMO_URL": f"http://127.0.0.1:{model_port}/v1",
        },
        f"http://127.0.0.1:{relay_port}/readyz",
        logs / "relay.log",
    )
    port = stage.hermes_port
    agent = Program("hermes", _serve(python, port), port, _home(home), log=logs / "hermes.log")
    async with AsyncExitStack() as stack:
        await stage.neighbours.kill()
        stage.neighbours.command = neighbours_of(
            stage.common["NATS_URL"], stage.hermes_port, logs
        ).command
        for program in (stage.neighbours, model, relay, agent):
            stack.push_async_callback(program.kill)
            await program.start()
        yield relay


def _serve(python: Path, port: int) -> list[str]:
    program = [str(python), "-m", "hermes_cli.main", "serve", "--skip-build"]
    return [*program, "--host", "127.0.0.1", "--port", str(port)]


def _home(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "HERMES_HOME": str(home),
        "HERMES_DASHBOARD_SESSION_TOKEN": TOKEN,
    }

"""An agent that says more than anybody can hold, watched by viewers that take nothing: neither may
slow the others, nor may anybody's memory grow without bound.
"""

import asyncio
import contextlib
import random
import socket
from pathlib import Path
from typing import Any

import aiohttp

from chaos.agent import FLOOD, MOST_FLOODED
from chaos.count import Count, FloodCount
from chaos.crowd import gathered
from chaos.person import Person
from chaos.stage import Program, Stage
from chaos.viewer import Viewer

BYSTANDERS = 20
STALLED = 10
MOST_GROWN_MIB = 200
_FIRST_ANSWER = 1_000_000
"""Above those of every other crowd: the agent counts by number how often it was prompted."""

_END_S = 120.0
_GIVEN_UP_S = 60.0
_LOOK_S = 0.1
_PAGE_BYTES = 4096
_ESTABLISHED = "01"


async def measured(
    stage: Stage, http: aiohttp.ClientSession, seed: int, count: Count
) -> FloodCount:
    crowd = await gathered(stage, http, BYSTANDERS, seed, first_answer=_FIRST_ANSWER)
    flood = _Flood(stage, crowd.person, random.Random(seed))
    watched = [*stage.proxies, *stage.gateways]
    before = {program.name: _mib(program) for program in watched}
    most = dict(before)
    looking = asyncio.ensure_future(_look(watched, most))
    await crowd.round("an agent that floods", flood.run, count)
    await flood.over()
    looking.cancel()
    flood.count.grown_mib = {name: most[name] - before[name] for name in before}
    for name, grown in flood.count.grown_mib.items():
        if grown > MOST_GROWN_MIB:
            flood.count.problems.append(f"{name} grew by {grown} MiB")
    return flood.count


class _Flood:
    def __init__(self, stage: Stage, person: Person, chance: random.Random) -> None:
        self.count = FloodCount()
        self._stage = stage
        self._person = person
        self._chance = chance
        self._ports = [gateway.port for gateway in stage.gateways]
        self._session = ""
        self._turn = ""
        self._stalled: list[socket.socket] = []

    async def run(self, _: Stage) -> None:
        self._session = await self._person.session()
        self._stalled = [await _stall(self._session, self._ports[n % 2]) for n in range(STALLED)]
        self._turn = await self._person.say(self._session, FLOOD)

    async def over(self) -> None:
        """Whoever comes later sees all that was kept, and its end; who took nothing was left."""
        viewer = Viewer(self._session, self._ports, chance=self._chance)
        try:
            async with asyncio.timeout(_END_S):
                await viewer.follow(lambda seen: seen.ended(self._turn))
        except TimeoutError:
            self.count.problems.append("the flood has no end")
            return
        entries, ended = viewer.seen.entries, viewer.seen.entries[-1]
        self.count.said = self._stage.agent.flooded
        self.count.kept = sum(len(one["text"]) for one in entries if one["type"] == "text")
        if viewer.seen.lost or viewer.seen.doubled or viewer.seen.out_of_order:
            self.count.problems.append(f"the flood's journal: {viewer.seen.lost} lost")
        if self.count.said >= MOST_FLOODED or (ended["error"] or {}).get("code") != "agent_error":
            self.count.problems.append(f"the flood was not cut: {ended}")
        given_up = await asyncio.gather(*(_is_left(one) for one in self._stalled))
        self.count.stalled_given_up = sum(given_up)
        if not all(given_up):
            self.count.problems.append("a viewer that takes nothing is still served")


async def _stall(session_id: str, port: int) -> socket.socket:
    """A viewer that asks and never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    head = f"GET /api/sessions/{session_id}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    await loop.sock_sendall(client, head.encode())
    return client


async def _is_left(client: socket.socket) -> bool:
    """Whether the server ends the connection while nothing is read."""
    port, peer = client.getsockname()[1], client.getpeername()[1]
    try:
        for _ in range(int(_GIVEN_UP_S)):
            if not _is_served(peer, port):
                return True
            await asyncio.sleep(1)
    finally:
        client.close()
    return False


def _is_served(port: int, client: int) -> bool:
    """The server's own word: the client hears of nothing that it does not take."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        if (local[-4:], remote[-4:]) == (f"{port:04X}", f"{client:04X}"):
            return state == _ESTABLISHED
    return False


async def _look(programs: list[Program], most: dict[str, int]) -> None:
    while True:
        for program in programs:
            with contextlib.suppress(OSError):
                most[program.name] = max(most[program.name], _mib(program))
        await asyncio.sleep(_LOOK_S)


def _mib(program: Program) -> int:
    assert program.process is not None
    fields: Any = Path(f"/proc/{program.process.pid}/statm").read_text().split()
    return int(fields[1]) * _PAGE_BYTES // 2**20

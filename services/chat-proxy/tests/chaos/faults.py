"""What is broken in the middle of a round, by name."""

import asyncio
from collections.abc import Mapping, Sequence

from chaos.crowd import Fault
from chaos.stage import Program, Stage

_AWAY_S = 1.0


async def nothing(_: Stage) -> None:
    """Viewers are cut all the same."""


async def _killed(programs: Sequence[Program]) -> None:
    """All in the same moment, and back after a while, in the order of their dependencies."""
    await asyncio.gather(*(program.kill() for program in programs))
    await asyncio.sleep(_AWAY_S)
    for program in programs:
        await program.start()


async def one_proxy(stage: Stage) -> None:
    await _killed(stage.proxies[:1])


async def both_proxies(stage: Stage) -> None:
    await _killed(stage.proxies)


async def one_gateway(stage: Stage) -> None:
    await _killed(stage.gateways[:1])


async def both_gateways(stage: Stage) -> None:
    await _killed(stage.gateways)


async def bus(stage: Stage) -> None:
    await _killed([stage.bus])


async def store(stage: Stage) -> None:
    await _killed([stage.store])


async def neighbours(stage: Stage) -> None:
    await _killed([stage.neighbours])


async def everything(stage: Stage) -> None:
    """As when the machine loses its processes, not its disk."""
    await _killed(stage.programs)


async def connections(stage: Stage) -> None:
    """Between chat-proxy and the agent, three times."""
    for _ in range(3):
        stage.agent.cut()
        await asyncio.sleep(_AWAY_S)


FAULTS: Mapping[str, Fault] = {
    "nothing killed": nothing,
    "a gateway killed": one_gateway,
    "both gateways killed": both_gateways,
    "the bus killed": bus,
    "the store killed": store,
    "keys, sandbox-manager and skill-resolver killed": neighbours,
    "the agent's connections cut": connections,
    "a chat-proxy killed": one_proxy,
    "both chat-proxies killed": both_proxies,
    "all killed at once": everything,
}

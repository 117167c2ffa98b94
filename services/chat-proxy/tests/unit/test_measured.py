"""What a turn leaves in the metrics and in its trace."""

import asyncio
from datetime import timedelta
from typing import Any

from chat_proxy.model.agent import AgentStatus, Finished, TextDelta, Tokens
from common.metrics.table import CHUNK_DELAY, FIRST_TEXT, TURN_DURATION, TURNS
from common.telemetry.tracing import span
from common.testing.fixtures import Measured
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

DONE = Finished(AgentStatus.COMPLETE, "Hello.", Tokens(total=7, calls=1))


async def finished(runner: Any) -> None:
    async with asyncio.timeout(5):
        await runner.done.wait()


class TestTurn:
    async def test_its_end_and_its_first_word_are_measured_once(
        self, world: Any, measured: Measured
    ) -> None:
        session = await world.session()
        end = {"state": "completed", "code": "ok"}
        before = [measured(TURNS, **end), measured(TURN_DURATION, state="completed")]
        first, chunks = measured(FIRST_TEXT), measured(CHUNK_DELAY)

        runner = await world.say(session)
        world.agents.last.tell(TextDelta("Hel"))
        await world.until(lambda: "text" in world.live.kinds)
        world.agents.last.tell(TextDelta("lo."), DONE)
        await finished(runner)

        after = [measured(TURNS, **end), measured(TURN_DURATION, state="completed")]
        assert after == [number + 1 for number in before]
        assert measured(FIRST_TEXT) == first + 1
        # The first read of the agent, and then one in 64.
        assert measured(CHUNK_DELAY) == chunks + 1

    async def test_what_is_told_and_not_stored_grows_old(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.agents.last.tell(TextDelta("Hel"))
        await world.until(lambda: "text" in world.live.kinds)

        world.clock.advance(timedelta(seconds=3))
        late = runner.lag
        await runner.store()

        assert late == timedelta(seconds=3)
        assert runner.lag == timedelta(0)
        world.agents.last.tell(DONE)
        await finished(runner)

    async def test_its_trace_is_that_of_the_request_and_is_kept_with_it(
        self, world: Any, spans: InMemorySpanExporter
    ) -> None:
        session = await world.session()
        with span("request"):
            runner = await world.say(session)
        world.agents.last.tell(TextDelta("Hello."), DONE)
        await finished(runner)
        await world.until(
            lambda: {"request", "turn"} <= {s.name for s in spans.get_finished_spans()}
        )

        ended = {one.name: one for one in spans.get_finished_spans()}
        trace_id = ended["request"].context.trace_id
        assert ended["turn"].context.trace_id == trace_id
        assert ended["hermes turn"].context.trace_id == trace_id
        assert f"{trace_id:032x}" in world.turns.by_id[runner.turn.id].traceparent

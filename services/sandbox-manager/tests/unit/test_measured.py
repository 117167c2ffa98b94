"""What a launch leaves in the metrics and in its trace."""

import asyncio
from datetime import timedelta
from typing import Any

from common.metrics.table import (
    CLAIMS_TAKEN_OVER,
    CLAIMS_WAITING,
    CREATE_LOCK_WAIT,
    LAUNCH_DURATION,
    LAUNCH_PHASE,
    LAUNCHES,
)
from common.telemetry.tracing import span
from common.testing.fixtures import Measured
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sandbox_manager.errors import AccountRefusedError
from sandbox_manager.model.steps import Step

World = Any
PDF = "acme/tools/pdf"


class TestLaunch:
    async def test_it_is_counted_once_by_path_and_outcome(
        self, world: World, measured: Measured
    ) -> None:
        world.skills.add(PDF)
        ready = {"outcome": "ready", "code": "ok"}
        before = {path: measured(LAUNCHES, path=path, **ready) for path in ("create", "instant")}
        lasted = measured(LAUNCH_DURATION, path="create", outcome="ready")
        phases = measured(LAUNCH_PHASE, phase="create", outcome="done")

        await world.launch(PDF)
        await world.launch(PDF)

        assert measured(LAUNCHES, path="create", **ready) == before["create"] + 1
        assert measured(LAUNCHES, path="instant", **ready) == before["instant"] + 1
        assert measured(LAUNCH_DURATION, path="create", outcome="ready") == lasted + 1
        assert measured(LAUNCH_PHASE, phase="create", outcome="done") == phases + 1

    async def test_a_failure_is_counted_under_its_code(
        self, world: World, measured: Measured
    ) -> None:
        world.skills.add(PDF)
        world.provider.faults = [("create", AccountRefusedError("no"))]
        failed = {"path": "create", "outcome": "failed"}

        launch = await world.launch(PDF)

        assert launch.error is not None
        assert measured(LAUNCHES, **failed, code=launch.error.code) >= 1

    async def test_waiting_for_another_launchs_create_is_measured(
        self, world: World, measured: Measured
    ) -> None:
        world.skills.add(PDF)
        world.skills.add("acme/tools/docx")
        before = measured(CREATE_LOCK_WAIT, reason="other_launch")

        await asyncio.gather(world.start(PDF), world.start("acme/tools/docx"))
        await world.background.idle()

        assert measured(CREATE_LOCK_WAIT, reason="other_launch") == before + 1


class TestTakeover:
    async def test_a_successor_writes_the_same_trace_on_and_is_counted(
        self, world: World, measured: Measured, spans: InMemorySpanExporter
    ) -> None:
        world.skills.add(PDF)
        world.probe.at_step = (Step.CONFIGURE, "before")
        taken = measured(CLAIMS_TAKEN_OVER, kind="launch")

        with span("request"):
            await world.start(PDF)
            await world.background.idle()
        world.clock.advance(timedelta(seconds=31))
        await world.takeover.claim_due()
        waiting = measured(CLAIMS_WAITING)
        await world.background.idle()

        ended = spans.get_finished_spans()
        driven = [one for one in ended if one.name == "launch"]
        (request,) = (one for one in ended if one.name == "request")
        assert [dict(one.attributes or {})["claim"] for one in driven] == [1, 2]
        assert {one.context.trace_id for one in driven} == {request.context.trace_id}
        assert measured(CLAIMS_TAKEN_OVER, kind="launch") == taken + 1
        assert waiting == 1

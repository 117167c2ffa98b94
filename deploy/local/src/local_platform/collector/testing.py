"""The collector inside a test's own process: what a platform sent, to ask about."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from local_platform.collector.app import Line, build_app

POLL_S = 0.25


@dataclass
class Collected:
    """Every line so far; written by the receiver's thread, read by the test's."""

    url: str = ""
    lines: list[Line] = field(default_factory=list)

    def spans(self, trace_id: str) -> list[Line]:
        return [line for line in list(self.lines) if line.get("trace_id") == trace_id]

    def metrics(self, service: str) -> dict[str, Line]:
        """The newest of each metric, by name."""
        return {
            line["metric"]: line
            for line in list(self.lines)
            if "metric" in line and line["service"] == service
        }

    def once(self, is_so: Callable[[], bool], within_s: float) -> bool:
        """Whether it became so in time: telemetry comes in batches."""
        ends = time.monotonic() + within_s
        while not is_so():
            if time.monotonic() > ends:
                return False
            time.sleep(POLL_S)
        return True


@contextmanager
def collecting() -> Iterator[Collected]:
    """A receiver of OTLP over HTTP on a free port, in a thread of its own."""
    received = Collected()
    loop = asyncio.new_event_loop()
    listening = threading.Event()

    def write(line: str) -> None:
        received.lines.append(json.loads(line))

    async def serve() -> web.AppRunner:
        runner = web.AppRunner(build_app(write), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        received.url = f"http://127.0.0.1:{_port(runner)}"
        return runner

    def run() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(serve())
        listening.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    listening.wait()
    try:
        yield received
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _port(runner: web.AppRunner) -> Any:
    return runner.addresses[0][1]

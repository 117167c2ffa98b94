"""`python -m gateway`: serve HTTP until told to stop."""

import asyncio

import uvloop
from common.telemetry import configure

from gateway.main import run
from gateway.settings import Settings


def main() -> None:
    settings = Settings()
    configure("gateway", level=settings.log_level, otel_endpoint=settings.otel_endpoint)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings))


if __name__ == "__main__":
    main()

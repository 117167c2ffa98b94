"""`python -m gateway`: serve HTTP until told to stop."""

import asyncio

import uvloop
from common.telemetry.configuring import configure

from gateway.main import run
from gateway.settings import Settings


def main() -> None:
    settings = Settings()
    configure("gateway", settings.telemetry)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings))


if __name__ == "__main__":
    main()

"""`python -m sandbox_manager` serves."""

import asyncio
import sys

from common import telemetry

from sandbox_manager.main import SERVICE, run
from sandbox_manager.settings import load


def main(arguments: list[str]) -> int:
    if arguments:
        sys.stderr.write("usage: python -m sandbox_manager\n")
        return 2
    settings = load()
    telemetry.configure(SERVICE, level=settings.log_level, otel_endpoint=settings.otel_endpoint)
    asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

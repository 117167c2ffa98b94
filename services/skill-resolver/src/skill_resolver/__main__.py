"""`python -m skill_resolver`."""

import uvloop
from common import telemetry
from common.settings import SharedSettings

from skill_resolver.main import SERVICE, run
from skill_resolver.settings import Settings


def main() -> None:
    settings, shared = Settings(), SharedSettings()
    telemetry.configure(SERVICE, level=shared.log_level, otel_endpoint=shared.otel_endpoint)
    uvloop.run(run(settings, shared))


if __name__ == "__main__":
    main()

"""`python -m skill_resolver`."""

import uvloop
from common.settings import SharedSettings
from common.telemetry.configuring import configure

from skill_resolver.main import SERVICE, run
from skill_resolver.settings import Settings


def main() -> None:
    settings, shared = Settings(), SharedSettings()
    configure(SERVICE, shared.telemetry)
    uvloop.run(run(settings, shared))


if __name__ == "__main__":
    main()

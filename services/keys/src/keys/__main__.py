"""`python -m keys` serves; `python -m keys rotate` wraps all data keys with the current master
key.
"""

import logging
import sys

import uvloop
from common.telemetry.configuring import configure

from keys.main import SERVICE, run, run_rotation
from keys.settings import Settings

logger = logging.getLogger(SERVICE)


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["rotate"]):
        sys.stderr.write("usage: python -m keys [rotate]\n")
        return 2
    settings = Settings()
    configure(SERVICE, settings.telemetry)
    if arguments:
        logger.info("%d data keys wrapped anew", uvloop.run(run_rotation(settings)))
    else:
        uvloop.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

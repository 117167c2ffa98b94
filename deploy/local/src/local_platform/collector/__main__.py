"""`python -m local_platform.collector`"""

import sys

from aiohttp import web

from local_platform.collector.app import build_app
from local_platform.collector.settings import Settings


def main() -> None:
    settings = Settings()
    web.run_app(
        build_app(_print), host=settings.host, port=settings.port, access_log=None, print=None
    )


def _print(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    main()

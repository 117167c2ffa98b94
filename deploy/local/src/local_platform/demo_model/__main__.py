"""`python -m local_platform.demo_model`"""

import logging

from aiohttp import web

from local_platform.demo_model.app import LABEL, build_app
from local_platform.demo_model.settings import Settings

logger = logging.getLogger(__name__)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = Settings()
    logger.info("%s on http://%s:%s/v1", LABEL, settings.host, settings.port)
    # A caller that goes away ends its handler, so that a hang does not outlive who asked for it.
    web.run_app(
        build_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=None,
        handler_cancellation=True,
        print=None,
        shutdown_timeout=1.0,
    )


if __name__ == "__main__":
    main()

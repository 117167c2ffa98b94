"""`python -m local_platform.daytona` serves; with `prepare` it makes the sandbox root and ends."""

import asyncio
import logging
import signal
import sys

from aiohttp import web
from pydantic import ValidationError

from local_platform.daytona import bubblewrap
from local_platform.daytona.app import running
from local_platform.daytona.bubblewrap import HOME
from local_platform.daytona.prepared import PreparationFailedError, PreparedRoots, exclusive
from local_platform.daytona.settings import Settings

SHUTDOWN_TIMEOUT_S = 0.5
UNISOLATED = "LOCAL_DAYTONA_ISOLATION=none: sandboxes are NOT isolated, skills act as you do."

UNLINKED = """\
Paths below /home/daytona work in such a sandbox only when it leads here. Once, if it is not so:
    sudo ln -sfn {link} /home/daytona"""


async def serve(settings: Settings, roots: PreparedRoots) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with running(settings, roots) as app:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
            say(f"The local Daytona host is ready at {settings.url}/api")
            await stopped.wait()
        finally:
            await runner.cleanup()


def run(settings: Settings, *, only_prepare: bool) -> None:
    roots = PreparedRoots(settings.prepared_dir)
    if settings.isolation == "bubblewrap":
        bubblewrap.require()
    else:
        say(UNISOLATED)
        if HOME.resolve() != (settings.data_dir / "home").resolve():
            say(UNLINKED.format(link=settings.data_dir / "home"))
    roots.prepare(say)
    if only_prepare:
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with exclusive(settings.data_dir / "host.lock", wait=False):
        if settings.roots_dir is None:
            roots.discard_old()
        asyncio.run(serve(settings, roots))


def say(text: str) -> None:
    print(text, flush=True)


def main(arguments: list[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    # As an exception, so that what is being prepared is taken away and its installer ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(Settings(), only_prepare=arguments == ["prepare"])
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            say(f"LOCAL_DAYTONA_{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}")
    except (bubblewrap.IsolationUnavailableError, PreparationFailedError) as error:
        say(str(error))
    except BlockingIOError:
        say("Another local Daytona host uses this data folder.")
    except KeyboardInterrupt:
        say("Interrupted.")
    except OSError as error:
        say(f"The local Daytona host cannot start: {error}")
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The side port of a service: `/healthz` (alive), `/readyz` (every dependency answers),
`/metrics`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[object]]

_CHECK_S = 2.0


async def failing(checks: Mapping[str, Check]) -> list[str]:
    """The names of the dependencies that do not answer within two seconds."""

    async def ask(name: str, check: Check) -> str | None:
        try:
            async with asyncio.timeout(_CHECK_S):
                await check()
        except Exception:  # noqa: BLE001 (whatever fails, the dependency is not ready; its name is the answer)
            return name
        return None

    answers = await asyncio.gather(*(ask(name, check) for name, check in checks.items()))
    return [name for name in answers if name is not None]


def health_app(checks: Mapping[str, Check]) -> web.Application:
    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        waiting_for = await failing(checks)
        body = {"status": "waiting" if waiting_for else "ready", "waiting_for": waiting_for}
        return web.json_response(body, status=503 if waiting_for else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


async def start_health(host: str, port: int, checks: Mapping[str, Check]) -> web.AppRunner:
    """Serve the side port; the caller cleans the runner up."""
    runner = web.AppRunner(health_app(checks), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner

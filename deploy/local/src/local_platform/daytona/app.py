"""The composition: every part built once, and one application that knows all routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import timedelta

from aiohttp import web
from aiohttp.typedefs import Middleware

from local_platform.daytona import signing
from local_platform.daytona.control.host import HostRoutes
from local_platform.daytona.control.listing import ListRoutes
from local_platform.daytona.control.previews import PreviewRoutes
from local_platform.daytona.control.sandboxes import SandboxRoutes
from local_platform.daytona.control.stored import SnapshotRoutes, VolumeRoutes
from local_platform.daytona.errors import Handler, UnauthorizedError, enveloped
from local_platform.daytona.events import PATH as SOCKET_IO
from local_platform.daytona.events import Events
from local_platform.daytona.homes import Homes
from local_platform.daytona.limits import NoGroups, detect
from local_platform.daytona.model import utc_now
from local_platform.daytona.plans import Planner
from local_platform.daytona.prepared import PreparedRoots, copy_toolbox
from local_platform.daytona.preview import Previews, bearer
from local_platform.daytona.records import Records
from local_platform.daytona.sandboxes import Sandboxes
from local_platform.daytona.settings import Settings
from local_platform.daytona.snapshots import Snapshots
from local_platform.daytona.sockets import sockets_folder
from local_platform.daytona.timers import Timers
from local_platform.daytona.toolbox_gateway import ToolboxGateway
from local_platform.daytona.volumes import Volumes

MAX_BODY = 8 * 1024 * 1024
OPEN_PATHS = frozenset({"/api/health", "/api/health/ready", "/api/config", "/health"})


@asynccontextmanager
async def running(settings: Settings, roots: PreparedRoots) -> AsyncIterator[web.Application]:
    """The application with everything behind it; leaving stops every sandbox."""
    async with AsyncExitStack() as stack:
        key, toolbox_url = settings.api_key.get_secret_value(), f"{settings.url}/toolbox"
        records = stack.enter_context(closing(Records(settings.data_dir / "records.sqlite")))
        homes = Homes(settings.data_dir)
        sockets = stack.enter_context(sockets_folder(settings.data_dir))
        toolbox = copy_toolbox(settings.prepared_dir)
        groups = detect() if settings.isolation == "bubblewrap" else NoGroups()
        planner = Planner(settings, homes, roots, toolbox, sockets)
        sandboxes = Sandboxes(records, homes, planner, groups)
        await sandboxes.recover()
        events = Events(key, toolbox_url)
        sandboxes.changed = events.changed
        stack.push_async_callback(sandboxes.close)
        await stack.enter_async_context(
            ticking(Timers(sandboxes, utc_now), settings.timer_interval)
        )
        previews = Previews(sandboxes, records, key, settings.proxy_domain)
        app = web.Application(
            middlewares=[previewed(previews), enveloped, known(key)], client_max_size=MAX_BODY
        )
        snapshots, volumes = Snapshots(records, settings), Volumes(records, homes)
        for routes in (
            ListRoutes(sandboxes, toolbox_url),
            PreviewRoutes(sandboxes, records, toolbox_url, settings.preview_template),
            SandboxRoutes(sandboxes, snapshots, volumes, toolbox_url),
            SnapshotRoutes(snapshots, settings.url),
            VolumeRoutes(volumes),
            HostRoutes(settings, groups.kind),
            ToolboxGateway(sandboxes, key),
        ):
            app.add_routes(routes.table())
        events.attach(app)
        yield app


@asynccontextmanager
async def ticking(timers: Timers, interval: timedelta) -> AsyncIterator[None]:
    task = asyncio.ensure_future(timers.run(interval.total_seconds()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def previewed(previews: Previews) -> Middleware:
    """Take the requests whose host name is a preview's, before any route is looked at."""

    @web.middleware
    async def by_host(request: web.Request, handler: Handler) -> web.StreamResponse:
        label = previews.label(request)
        if label is None:
            return await handler(request)

        async def preview(asked: web.Request) -> web.StreamResponse:
            return await previews.handle(asked, label)

        return await enveloped(request, preview)

    return by_host


def known(key: str) -> Middleware:
    """Everything but health and configuration wants the account's key."""

    @web.middleware
    async def with_key(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        guarded = not (path in OPEN_PATHS or path.startswith(("/toolbox/", SOCKET_IO)))
        if guarded and not signing.same(bearer(request), key):
            msg = "Invalid credentials"
            raise UnauthorizedError(msg)
        return await handler(request)

    return with_key

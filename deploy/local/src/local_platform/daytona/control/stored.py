"""Routes of snapshots and volumes."""

from aiohttp import web

from local_platform.daytona.bodies import CreateSnapshot, CreateVolume, number, read
from local_platform.daytona.model import Snapshot
from local_platform.daytona.snapshots import Snapshots
from local_platform.daytona.volumes import Volumes
from local_platform.daytona.wire import snapshot_body, volume_body


class SnapshotRoutes:
    def __init__(self, snapshots: Snapshots, url: str) -> None:
        self._snapshots = snapshots
        self._url = url

    def table(self) -> list[web.RouteDef]:
        # A name may hold slashes, which arrive encoded and are matched decoded.
        one = "/api/snapshots/{id:.+}"
        return [
            web.get("/api/snapshots", self.list_all),
            web.post("/api/snapshots", self.create),
            web.get(f"{one}/build-logs-url", self.build_logs_url),
            web.get(f"{one}/build-logs", self.build_logs),
            web.post(f"{one}/activate", self.activate),
            web.post(f"{one}/deactivate", self.deactivate),
            web.get(one, self.get),
            web.delete(one, self.delete),
        ]

    async def list_all(self, request: web.Request) -> web.Response:
        page = number(request.query.get("page", "1"), lowest=1, name="page")
        limit = number(request.query.get("limit", "100"), lowest=1, highest=200, name="limit")
        wanted = request.query.get("name", "").lower()
        found = [snapshot for snapshot in self._snapshots.all() if wanted in snapshot.name.lower()]
        chosen = found[(page - 1) * limit : page * limit]
        return web.json_response(
            {
                "items": [snapshot_body(snapshot) for snapshot in chosen],
                "total": len(found),
                "page": page,
                "totalPages": -(-len(found) // limit),
            }
        )

    async def create(self, request: web.Request) -> web.Response:
        """With build steps to tell of, the answer is as of the build, so that its log is read."""
        body = snapshot_body(self._snapshots.create(await read(request, CreateSnapshot)))
        return web.json_response(body | ({"state": "building"} if "buildInfo" in body else {}))

    async def get(self, request: web.Request) -> web.Response:
        return answer(self._find(request))

    async def delete(self, request: web.Request) -> web.Response:
        self._snapshots.delete(self._find(request))
        return web.Response()

    async def activate(self, request: web.Request) -> web.Response:
        return answer(self._snapshots.set_active(self._find(request), active=True))

    async def deactivate(self, request: web.Request) -> web.Response:
        self._snapshots.set_active(self._find(request), active=False)
        return web.Response(status=204)

    async def build_logs_url(self, request: web.Request) -> web.Response:
        snapshot = self._find(request)
        return web.json_response({"url": f"{self._url}/api/snapshots/{snapshot.id}/build-logs"})

    async def build_logs(self, request: web.Request) -> web.Response:
        return web.Response(text=self._snapshots.log(self._find(request).dockerfile))

    def _find(self, request: web.Request) -> Snapshot:
        return self._snapshots.find(request.match_info["id"])


def answer(snapshot: Snapshot) -> web.Response:
    return web.json_response(snapshot_body(snapshot))


class VolumeRoutes:
    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/api/volumes", self.list_all),
            web.post("/api/volumes", self.create),
            web.get("/api/volumes/by-name/{name:.+}", self.by_name),
            web.get("/api/volumes/{id}", self.get),
            web.delete("/api/volumes/{id}", self.delete),
        ]

    async def list_all(self, _: web.Request) -> web.Response:
        return web.json_response([volume_body(volume) for volume in self._volumes.all()])

    async def create(self, request: web.Request) -> web.Response:
        wanted = await read(request, CreateVolume)
        return web.json_response(volume_body(self._volumes.create(wanted.name)))

    async def by_name(self, request: web.Request) -> web.Response:
        return web.json_response(volume_body(self._volumes.by_name(request.match_info["name"])))

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(volume_body(self._volumes.find(request.match_info["id"])))

    async def delete(self, request: web.Request) -> web.Response:
        self._volumes.delete(self._volumes.find(request.match_info["id"]))
        return web.Response()

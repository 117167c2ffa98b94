"""Routes that make sandboxes and change their state."""

import secrets
from datetime import datetime, timedelta

from aiohttp import web

from local_platform.daytona import signing
from local_platform.daytona.bodies import CreateSandbox, Labels, NetworkSettings, number, read
from local_platform.daytona.errors import BadRequestError, NotServedError
from local_platform.daytona.model import (
    DEFAULT_AUTO_ARCHIVE_MIN,
    DEFAULT_AUTO_STOP_MIN,
    MAX_AUTO_ARCHIVE_MIN,
    NEVER,
    Sandbox,
    VolumeMount,
    utc_now,
)
from local_platform.daytona.plans import mount_path, subpath
from local_platform.daytona.sandboxes import Sandboxes, policy
from local_platform.daytona.snapshots import Snapshots
from local_platform.daytona.volumes import Volumes
from local_platform.daytona.wire import sandbox_body

WORDS = ("amber", "brisk", "calm", "clear", "deep", "fair", "keen", "light", "quiet", "swift")


class SandboxRoutes:
    def __init__(
        self, sandboxes: Sandboxes, snapshots: Snapshots, volumes: Volumes, toolbox_url: str
    ) -> None:
        self._sandboxes = sandboxes
        self._snapshots = snapshots
        self._volumes = volumes
        self._toolbox_url = toolbox_url

    def table(self) -> list[web.RouteDef]:
        one = "/api/sandbox/{id}"
        return [
            web.post("/api/sandbox", self.create),
            web.get(one, self.get),
            web.delete(one, self.delete),
            web.post(f"{one}/start", self.start),
            web.post(f"{one}/stop", self.stop),
            web.post(f"{one}/archive", self.archive),
            web.post(f"{one}/last-activity", self.touch),
            web.put(f"{one}/labels", self.labels),
            web.post(f"{one}/public/{{value}}", self.public),
            web.post(f"{one}/network-settings", self.network),
            web.post(f"{one}/ttl/{{value}}", self.ttl),
            *(
                web.post(f"{one}/{name}/{{value}}", self.interval)
                for name in ("autostop", "autopause", "autoarchive", "autodelete")
            ),
            web.get(f"{one}/build-logs-url", self.build_logs_url),
            web.get(f"{one}/build-logs", self.build_logs),
        ]

    async def create(self, request: web.Request) -> web.Response:
        wanted = await read(request, CreateSandbox)
        refuse_what_is_not_here(wanted)
        snapshot = self._snapshots.for_sandbox(wanted)
        volumes = [
            VolumeMount(
                volume_id=self._volumes.find(volume.volume_id).id,
                mount_path=mount_path(volume.mount_path),
                subpath=subpath(volume.subpath),
            )
            for volume in wanted.volumes
        ]

        def make(sandbox_id: str, place: int) -> Sandbox:
            return Sandbox(
                id=sandbox_id,
                number=place,
                name=wanted.name or f"{secrets.choice(WORDS)}-{sandbox_id[:8]}",
                snapshot=snapshot.name,
                dockerfile=wanted.build_info.dockerfile_content if wanted.build_info else None,
                user=wanted.user or "daytona",
                target=wanted.target or "local",
                env=wanted.env,
                labels=wanted.labels,
                volumes=volumes,
                public=wanted.public,
                cpu=wanted.cpu or snapshot.cpu,
                memory=wanted.memory or snapshot.memory,
                disk=wanted.disk or snapshot.disk,
                network_block_all=wanted.network_block_all,
                network_allow_list=wanted.network_allow_list or None,
                domain_allow_list=wanted.domain_allow_list or None,
                auto_stop=given(wanted.auto_stop_interval, DEFAULT_AUTO_STOP_MIN),
                auto_pause=given(wanted.auto_pause_interval, 0),
                auto_archive=given(wanted.auto_archive_interval, DEFAULT_AUTO_ARCHIVE_MIN),
                auto_delete=given(wanted.auto_delete_interval, NEVER),
                destroy_at=life(wanted.ttl_minutes),
                token=signing.new_token(),
                signing_key=signing.new_key(),
            )

        sandbox = await self._sandboxes.create(make)
        self._snapshots.used(snapshot)
        body = sandbox_body(sandbox, self._toolbox_url)
        # From an image the answer is as of the build, as Daytona's is, so that its log is read.
        return web.json_response(body | ({"state": "pending_build"} if wanted.build_info else {}))

    async def get(self, request: web.Request) -> web.Response:
        return self._answer(self._find(request))

    async def delete(self, request: web.Request) -> web.Response:
        return self._answer(await self._sandboxes.delete(self._find(request)))

    async def start(self, request: web.Request) -> web.Response:
        return self._answer(await self._sandboxes.start(self._find(request)))

    async def stop(self, request: web.Request) -> web.Response:
        force = request.query.get("force", "").lower() == "true"
        return self._answer(await self._sandboxes.stop(self._find(request), force=force))

    async def archive(self, request: web.Request) -> web.Response:
        return self._answer(await self._sandboxes.archive(self._find(request)))

    async def touch(self, request: web.Request) -> web.Response:
        self._sandboxes.touch(self._find(request))
        return web.Response(status=201)

    async def labels(self, request: web.Request) -> web.Response:
        sandbox = self._find(request)
        sandbox.labels = (await read(request, Labels)).labels
        return self._saved(sandbox)

    async def public(self, request: web.Request) -> web.Response:
        value = request.match_info["value"].lower()
        if value not in {"true", "false"}:
            msg = "public is true or false"
            raise BadRequestError(msg)
        sandbox = self._find(request)
        sandbox.public = value == "true"
        return self._saved(sandbox)

    async def network(self, request: web.Request) -> web.Response:
        sandbox = self._find(request)
        wanted = await read(request, NetworkSettings)
        sent = wanted.model_fields_set
        tried = sandbox.model_copy(update={name: getattr(wanted, name) or None for name in sent})
        tried.network_block_all = bool(tried.network_block_all)
        policy(tried)
        for name in sent:
            setattr(sandbox, name, getattr(tried, name))
        await self._sandboxes.change_network(sandbox)
        return self._answer(sandbox)

    async def interval(self, request: web.Request) -> web.Response:
        """`autostop` and its siblings; only deletion knows `never` as a negative number."""
        name = request.path.split("/")[-2].removeprefix("auto")
        lowest = NEVER if name == "delete" else 0
        highest = MAX_AUTO_ARCHIVE_MIN if name == "archive" else 2**31
        value = number(
            request.match_info["value"], lowest=lowest, highest=highest, name=f"auto{name}"
        )
        sandbox = self._find(request)
        setattr(sandbox, f"auto_{name}", value)
        return self._saved(sandbox)

    async def ttl(self, request: web.Request) -> web.Response:
        minutes = number(request.match_info["value"], lowest=0, name="ttl")
        sandbox = self._find(request)
        sandbox.destroy_at = life(minutes)
        return self._saved(sandbox)

    async def build_logs_url(self, request: web.Request) -> web.Response:
        sandbox = self._find(request)
        base = self._toolbox_url.removesuffix("/toolbox")
        return web.json_response({"url": f"{base}/api/sandbox/{sandbox.id}/build-logs"})

    async def build_logs(self, request: web.Request) -> web.Response:
        return web.Response(text=self._snapshots.log(self._find(request).dockerfile))

    def _find(self, request: web.Request) -> Sandbox:
        return self._sandboxes.find(request.match_info["id"])

    def _saved(self, sandbox: Sandbox) -> web.Response:
        self._sandboxes.save(sandbox)
        return self._answer(sandbox)

    def _answer(self, sandbox: Sandbox) -> web.Response:
        return web.json_response(sandbox_body(sandbox, self._toolbox_url))


def given(value: int | None, default: int) -> int:
    return default if value is None else value


def life(minutes: int | None) -> datetime | None:
    return utc_now() + timedelta(minutes=minutes) if minutes else None


def refuse_what_is_not_here(wanted: CreateSandbox) -> None:
    asked = {
        "gpu": bool(wanted.gpu),
        "kvm": wanted.kvm,
        "secrets": bool(wanted.secrets),
        "outboundProxyUrl": bool(wanted.outbound_proxy_url),
        "linkedSandbox": bool(wanted.linked_sandbox),
    }
    missing = [name for name, is_asked in asked.items() if is_asked]
    if missing:
        raise NotServedError(f"{', '.join(missing)} is not implemented by the local host")
    sized = wanted.cpu or wanted.memory or wanted.disk
    if sized and wanted.build_info is None:
        msg = "Cannot specify Sandbox resources when using a snapshot"
        raise BadRequestError(msg)

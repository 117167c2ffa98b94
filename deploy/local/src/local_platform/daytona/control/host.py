"""Routes about the host itself, and the words for what it does not have."""

from aiohttp import web

from local_platform.daytona.errors import Handler, NotServedError, UnprocessableError
from local_platform.daytona.model import MAX_AUTO_ARCHIVE_MIN, ORGANIZATION
from local_platform.daytona.settings import Settings

NOT_SERVED = {
    "sandbox/{id}/fork": "forking a sandbox",
    "sandbox/{id}/resize": "resizing a sandbox",
    "sandbox/{id}/recover": "recovering a sandbox",
    "sandbox/{id}/backup": "backing up a sandbox",
    "sandbox/{id}/snapshot": "making a snapshot of a sandbox",
    "sandbox/{id}/ssh-access": "SSH access",
    "sandbox/{id}/secrets": "secrets",
    "sandbox/{id}/forks": "forking a sandbox",
    "sandbox/{id}/telemetry/{rest:.*}": "telemetry",
    "secret{rest:.*}": "secrets",
    "warm-pools{rest:.*}": "warm pools",
    "object-storage/{rest:.*}": "object storage (declarative images with local files)",
    "webhooks{rest:.*}": "webhooks",
    "runners{rest:.*}": "runners",
    "docker-registry{rest:.*}": "container registries",
}
VERSION = "0.226.1-local"


class HostRoutes:
    def __init__(self, settings: Settings, limits: str) -> None:
        self._settings = settings
        self._limits = limits

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/health", self.health),
            web.get("/api/health", self.health),
            web.get("/api/health/ready", self.health),
            web.get("/api/config", self.config),
            web.get("/api/organizations", self.organizations),
            web.get("/api/api-keys/current", self.current_key),
            web.get("/api/regions", self.regions),
            web.get("/api/shared-regions", self.regions),
            web.post("/api/sandbox/{id}/pause", self.pause),
            *(
                web.route("*", f"/api/{path}", refusal(words))
                for path, words in NOT_SERVED.items()
            ),
        ]

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "status": "ok",
                "version": VERSION,
                "isolation": self._settings.isolation,
                "limits": self._limits,
            }
        )

    async def config(self, _: web.Request) -> web.Response:
        url = self._settings.url
        return web.json_response(
            {
                "version": VERSION,
                "oidc": {
                    "issuer": url,
                    "clientId": "local",
                    "audience": "local",
                    "provider": "local",
                },
                "linkedAccountsEnabled": False,
                "announcements": {},
                "proxyTemplateUrl": self._settings.preview_template,
                "proxyToolboxUrl": f"{url}/toolbox",
                "defaultSnapshot": self._settings.snapshot,
                "dashboardUrl": url,
                "maxAutoArchiveInterval": MAX_AUTO_ARCHIVE_MIN,
                "maintananceMode": False,
                "environment": "local",
                "isolation": self._settings.isolation,
                "limits": self._limits,
            }
        )

    async def organizations(self, _: web.Request) -> web.Response:
        return web.json_response([{"id": ORGANIZATION, "name": "local", "personal": True}])

    async def current_key(self, _: web.Request) -> web.Response:
        return web.json_response({"name": "local", "value": "", "permissions": []})

    async def pause(self, _: web.Request) -> web.Response:
        msg = "Pausing is only for virtual machines; this sandbox is a container"
        raise UnprocessableError(msg)

    async def regions(self, _: web.Request) -> web.Response:
        return web.json_response([{"id": "local", "name": "local", "regionType": "shared"}])


def refusal(words: str) -> Handler:
    async def refuse(_: web.Request) -> web.StreamResponse:
        raise NotServedError(f"{words} is not implemented by the local host")

    return refuse

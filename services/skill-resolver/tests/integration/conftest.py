"""A GitHub of the tests on a port of its own: archives, branches, redirects, limits, counters."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web


@dataclass
class SmallGitHub:
    """Answers as codeload and git's smart HTTP do; `archives` by `owner/repo@ref`."""

    url: str = ""
    archives: dict[str, bytes] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    refs: dict[str, dict[str, str]] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """For the API: contents by path; a path that ends in * is executable, in @ a link."""
    is_truncated: bool = False
    answers: list[Callable[[web.Request], web.StreamResponse]] = field(default_factory=list)
    count: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def codeload(self, request: web.Request) -> web.StreamResponse:
        self._note(request, "codeload")
        if self.answers:
            return self.answers.pop(0)(request)
        owner, repo, ref = (request.match_info[name] for name in ("owner", "repo", "ref"))
        if target := self.renamed.get(f"{owner}/{repo}"):
            location = target if "://" in target else f"{self.url}/codeload/{target}/tar.gz/{ref}"
            return web.Response(status=301, headers={"location": location})
        body = self.archives.get(f"{owner}/{repo}@{ref}")
        if body is None:
            return web.Response(status=404, text="404: Not Found")
        etag = f'W/"{hash(body)}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"etag": etag})
        return web.Response(
            body=body, headers={"etag": etag, "content-type": "application/x-gzip"}
        )

    async def upload_pack(self, request: web.Request) -> web.StreamResponse:
        self._note(request, "refs")
        repository = f"{request.match_info['owner']}/{request.match_info['repo']}".removesuffix(
            ".git"
        )
        if repository not in self.refs:
            return web.Response(status=401)
        lines = [
            f"{sha} refs/heads/{name}\n".encode() for name, sha in self.refs[repository].items()
        ]
        return web.Response(body=b"".join(b"%04x%b" % (len(x) + 4, x) for x in lines) + b"0000")

    async def api(self, request: web.Request) -> web.StreamResponse:
        self._note(request, "api")
        files = self.files.get(f"{request.match_info['owner']}/{request.match_info['repo']}")
        if files is None:
            return web.Response(status=404)
        if request.match_info["rest"].startswith("commits/"):
            return web.Response(text="c0ffee" + "0" * 34)
        modes = {"*": "100755", "@": "120000"}
        tree = [
            {
                "path": path.rstrip("*@"),
                "mode": modes.get(path[-1], "100644"),
                "type": "blob",
                "size": len(content),
            }
            for path, content in files.items()
        ]
        return web.json_response({"tree": tree, "truncated": self.is_truncated})

    async def raw(self, request: web.Request) -> web.StreamResponse:
        self._note(request, "raw")
        files = self.files[f"{request.match_info['owner']}/{request.match_info['repo']}"]
        contents = {path.rstrip("*@"): content for path, content in files.items()}
        content = contents.get(request.match_info["path"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    def _note(self, request: web.Request, kind: str) -> None:
        self.count[kind] += 1
        self.headers.append(dict(request.headers))


@pytest.fixture
async def github() -> AsyncIterator[SmallGitHub]:
    small = SmallGitHub()
    app = web.Application()
    app.router.add_get("/codeload/{owner}/{repo}/tar.gz/{ref:.+}", small.codeload)
    app.router.add_post("/web/{owner}/{repo}/git-upload-pack", small.upload_pack)
    app.router.add_get("/api/repos/{owner}/{repo}/{rest:.+}", small.api)
    app.router.add_get("/raw/{owner}/{repo}/{commit}/{path:.+}", small.raw)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    small.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield small
    await runner.cleanup()

"""A GitHub of the tests on a port of its own: archives, branches, redirects, limits, counters; and
real repositories over git's own protocol.
"""

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

COMMIT = "c0ffee" + "0" * 34
QUIET = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b.example",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b.example",
    "PATH": os.environ["PATH"],
}
SERVE = ("-c", "uploadpack.allowFilter=true", "-c", "uploadpack.allowAnySHA1InWant=true")

Answer = Callable[[web.Request], web.StreamResponse]


@dataclass
class SmallGitHub:
    """Answers as codeload, the API and git's smart HTTP do.

    `archives` by `owner/repo@ref`; `refs` of repositories that have nothing else; `repositories`
    are bare ones on disk; `answers` go before anything else, `count` and `headers` note what was
    asked.
    """

    root: Path
    url: str = ""
    archives: dict[str, bytes] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    follows_renames: bool = True
    slow: bool = False
    silent: bool = False
    is_down: bool = False
    refs: dict[str, dict[str, str]] = field(default_factory=dict)
    short_commits: dict[str, str] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    count: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)

    def repository(self, name: str, files: Mapping[str, bytes | tuple[str, str]]) -> str:
        """A bare repository with one commit on `main` and a tag `v1`; its commit id.

        A file is bytes, or `("exec", text)`, `("link", target)`.
        """
        bare = self.root / f"{name}.git"
        self.git(bare, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
        lines = []
        for path, value in files.items():
            kind, content = value if isinstance(value, tuple) else ("file", value)
            data = content.encode() if isinstance(content, str) else content
            blob = self.git(bare, "hash-object", "-w", "--stdin", given=data)
            mode = {"file": "100644", "exec": "100755", "link": "120000"}[kind]
            lines.append(f"{mode} {blob}\t{path}")
        index = "".join(f"{line}\0" for line in lines).encode()
        self.git(bare, "update-index", "-z", "--index-info", given=index)
        tree = self.git(bare, "write-tree")
        commit = self.git(bare, "commit-tree", tree, "-m", "all")
        self.git(bare, "update-ref", "refs/heads/main", commit)
        self.git(bare, "tag", "--force", "-a", "v1", "-m", "one", commit)
        return commit

    def archive(self, name: str) -> bytes:
        """What git makes of the default branch, attributes obeyed."""
        bare = self.root / f"{name}.git"
        words = ("archive", "--format=tar.gz", "--prefix=repo-HEAD/", "HEAD")
        return self._run(bare, words, b"")

    def git(self, bare: Path, *words: str, given: bytes = b"") -> str:
        return self._run(bare, words, given).decode().strip()

    @staticmethod
    def _run(bare: Path, words: tuple[str, ...], given: bytes) -> bytes:
        bare.mkdir(parents=True, exist_ok=True)
        environment = {**QUIET, "GIT_DIR": str(bare), "GIT_INDEX_FILE": str(bare / "index")}
        done = subprocess.run(
            ["git", *words], input=given, capture_output=True, env=environment, check=True
        )
        return done.stdout

    async def codeload(self, request: web.Request) -> web.StreamResponse:
        self._note(request, "codeload")
        if self.silent:
            await asyncio.sleep(60)
        if self.answers:
            return self.answers.pop(0)(request)
        owner, repo, ref = (request.match_info[name] for name in ("owner", "repo", "ref"))
        return await self._archive(request, owner, repo, ref)

    async def _archive(
        self, request: web.Request, owner: str, repo: str, ref: str
    ) -> web.StreamResponse:
        target = self.renamed.get(f"{owner}/{repo}")
        if target and self.follows_renames:
            location = target if "://" in target else f"{self.url}/codeload/{target}/tar.gz/{ref}"
            return web.Response(status=301, headers={"location": location})
        body = self.archives.get(f"{owner}/{repo}@{ref}")
        if body is None:
            return web.Response(status=404, text="404: Not Found")
        etag = f'W/"{hash(body)}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"etag": etag})
        if self.slow:
            return await _slowly(request, body)
        return web.Response(
            body=body, headers={"etag": etag, "content-type": "application/x-gzip"}
        )

    async def advertise(self, request: web.Request) -> web.StreamResponse:
        self._note(request, "advertised")
        if self.is_down:
            return web.Response(status=502)
        name = self._name(request)
        if target := self.renamed.get(name):
            location = f"{self.url}/web/{target}.git/info/refs?service=git-upload-pack"
            return web.Response(status=301, headers={"location": location})
        if (self.root / f"{name}.git").exists():
            said = await self._upload_pack(request, name, "--advertise-refs")
            kind = "application/x-git-upload-pack-advertisement"
            body = b"001e# service=git-upload-pack\n0000" + said
            return web.Response(body=body, content_type=kind)
        is_known = name in self.refs or any(key.startswith(f"{name}@") for key in self.archives)
        return web.Response(body=b"0000") if is_known else web.Response(status=401)

    async def upload_pack(self, request: web.Request) -> web.StreamResponse:
        self._note(request, "refs")
        name = self._name(request)
        if (self.root / f"{name}.git").exists():
            kind = "application/x-git-upload-pack-result"
            said = await self._upload_pack(request, name)
            return web.Response(body=said, content_type=kind)
        if name not in self.refs:
            return web.Response(status=401)
        lines = [f"{sha} {self._ref(ref)}\n".encode() for ref, sha in self.refs[name].items()]
        return web.Response(body=b"".join(b"%04x%b" % (len(x) + 4, x) for x in lines) + b"0000")

    async def api(self, request: web.Request) -> web.StreamResponse:
        self._note(request, "api")
        commit = self.short_commits.get(request.match_info["commit"])
        if commit is None:
            return web.json_response({"message": "No commit found for SHA"}, status=422)
        if request.headers.get("If-None-Match") == f'"{commit}"':
            return web.Response(status=304)
        return web.Response(text=commit, headers={"etag": f'"{commit}"'})

    async def _upload_pack(self, request: web.Request, name: str, *words: str) -> bytes:
        protocol = request.headers.get("Git-Protocol", "")
        process = await asyncio.create_subprocess_exec(
            *("git", *SERVE, "upload-pack", "--stateless-rpc", *words),
            str(self.root / f"{name}.git"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**QUIET, "GIT_PROTOCOL": protocol},
        )
        said, _ = await process.communicate(await request.read())
        return said

    def _note(self, request: web.Request, kind: str) -> None:
        self.count[kind] += 1
        self.headers.append(dict(request.headers))

    @staticmethod
    def _name(request: web.Request) -> str:
        repo = request.match_info["repo"].removesuffix(".git")
        return f"{request.match_info['owner']}/{repo}"

    @staticmethod
    def _ref(name: str) -> str:
        return name if name == "HEAD" else f"refs/heads/{name}"


async def _slowly(request: web.Request, body: bytes) -> web.StreamResponse:
    """Most of the body at once, and the rest never."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(60)
    return response


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[SmallGitHub]:
    small = SmallGitHub(tmp_path / "repositories")
    app = web.Application()
    app.router.add_get("/codeload/{owner}/{repo}/tar.gz/{ref:.+}", small.codeload)
    app.router.add_get("/web/{owner}/{repo}/info/refs", small.advertise)
    app.router.add_post("/web/{owner}/{repo}/git-upload-pack", small.upload_pack)
    app.router.add_get("/api/repos/{owner}/{repo}/commits/{commit}", small.api)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    small.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield small
    await runner.cleanup()

"""A certified OpenID provider on this machine: the npm package `oidc-provider`, pinned."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from common.testing.servers import free_port

HERE = Path(__file__).parent / "oidc_provider"
GATEWAY = "http://127.0.0.1:8000"
_UP_S = 20


@dataclass
class Provider:
    """`url` is the issuer; `restart` gives it other signing keys."""

    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, *signing_keys: str) -> None:
        self.process = await asyncio.create_subprocess_exec(
            "node",
            str(self.folder / "provider.mjs"),
            env={
                "PATH": os.environ["PATH"],
                "PORT": str(self.port),
                "REDIRECT_URI": f"{GATEWAY}/auth/callback",
                "SIGNING_KEYS": ",".join(signing_keys),
                "KEY_FOLDER": str(self.folder),
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(_UP_S), httpx.AsyncClient() as http:
            while True:
                try:
                    await http.get(f"{self.url}/.well-known/openid-configuration")
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.process.wait()

    async def robot_token(self, audience: str) -> str:
        """An access token (JWT) of a client that is nobody's browser."""
        form = {
            "grant_type": "client_credentials",
            "resource": f"urn:{audience}",
            "scope": "api",
        }
        async with httpx.AsyncClient() as http:
            answer = await http.post(f"{self.url}/token", data=form, auth=("robot", "robot"))
        return str(answer.raise_for_status().json()["access_token"])


@pytest.fixture(scope="session")
def provider_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: no OpenID provider to log in at")
    folder = tmp_path_factory.mktemp("oidc") / "provider"
    shutil.copytree(HERE, folder)
    subprocess.run(
        ["npm", "ci", "--silent"], cwd=folder, check=True, timeout=300, capture_output=True
    )
    return folder


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[Provider]:
    provider = Provider(folder, free_port())
    await provider.start("first")
    try:
        yield provider
    finally:
        await provider.stop()


@pytest.fixture
async def provider(provider_folder: Path) -> AsyncIterator[Provider]:
    async with _running(provider_folder) as provider:
        yield provider

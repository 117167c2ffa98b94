"""Looking at workspace files: what is sent, what is refused before anything is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from common.errors import AppError, ErrorCode, GoneError, TooLargeError
from common.testing.fakes import START
from sandbox_manager.errors import SandboxStoppedError
from sandbox_manager.model.media import media_type
from sandbox_manager.ports.inside import Listed, Workspaces
from sandbox_manager.ports.services import Transfer
from sandbox_manager.service.browsing import MOST_TEXT, MOST_UPLOAD, Browsing, plain

World = Any
SESSION = "ses_" + "a" * 20
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100


@dataclass
class FakeWorkspaces(Workspaces):
    files: dict[str, bytes] = field(default_factory=dict)
    at: datetime = START

    async def list(
        self, sandbox_id: str, session_id: str, path: str
    ) -> tuple[Sequence[Listed], bool]:
        return [
            Listed(n, is_directory=False, size=len(c), modified_at=self.at)
            for n, c in self.files.items()
        ], False

    async def read(self, sandbox_id: str, session_id: str, path: str, limit: int) -> bytes:
        return self.files[path]

    async def write(self, sandbox_id: str, session_id: str, path: str, content: bytes) -> Listed:
        self.files[path] = content
        return Listed(path, is_directory=False, size=len(content), modified_at=self.at)

    async def archive(self, sandbox_id: str, session_id: str, limit: int) -> bytes:
        return b"zip"


@dataclass
class FakeTransfer(Transfer):
    bodies: dict[str, bytes] = field(default_factory=dict)

    async def put(self, content: bytes) -> str:
        name = f"obj_{len(self.bodies)}"
        self.bodies[name] = content
        return name

    async def take(self, name: str) -> bytes | None:
        return self.bodies.pop(name, None)


@pytest.fixture
async def browsing(world: World) -> Browsing:
    await world.ready()
    return Browsing(world.sandboxes, FakeWorkspaces(), FakeTransfer())


class TestRead:
    async def test_the_kind_is_judged_by_the_bytes(self, browsing: Any, world: World) -> None:
        browsing.workspaces.files["evil.html"] = PNG

        sent = await browsing.read(world.owner, SESSION, "evil.html")

        assert (sent.media_type, browsing.transfer.bodies[sent.name]) == ("image/png", PNG)

    async def test_long_text_is_refused(self, browsing: Any, world: World) -> None:
        browsing.workspaces.files["long.txt"] = b"x" * (MOST_TEXT + 1)

        with pytest.raises(TooLargeError):
            await browsing.read(world.owner, SESSION, "long.txt")

    async def test_a_sandbox_that_sleeps_is_not_woken(self, browsing: Any, world: World) -> None:
        await world.pool.stop(world.owner)

        with pytest.raises(SandboxStoppedError):
            await browsing.list(world.owner, SESSION, "")

        assert world.sandbox.state == "stopped"

    async def test_another_owner_has_nothing_to_look_at(self, browsing: Any) -> None:
        with pytest.raises(AppError) as error:
            await browsing.list("own_" + "z" * 20, SESSION, "")

        assert error.value.code == ErrorCode.SANDBOX_NOT_FOUND


class TestWrite:
    async def test_an_upload_is_put_there_once(self, browsing: Any, world: World) -> None:
        name = await browsing.transfer.put(b"data")

        written = await browsing.write(world.owner, SESSION, "a/b.bin", name)

        assert (written.size, browsing.workspaces.files) == (4, {"a/b.bin": b"data"})
        with pytest.raises(GoneError):
            await browsing.write(world.owner, SESSION, "a/b.bin", name)

    async def test_more_than_four_mebibytes_are_refused(self, browsing: Any, world: World) -> None:
        name = await browsing.transfer.put(b"x" * (MOST_UPLOAD + 1))

        with pytest.raises(TooLargeError):
            await browsing.write(world.owner, SESSION, "big", name)


class TestPaths:
    @pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a\\b", "a\0b", "a\nb"])
    def test_what_leads_out_or_is_odd(self, path: str) -> None:
        with pytest.raises(AppError) as error:
            plain(path)

        assert error.value.code == ErrorCode.PATH_REFUSED

    @pytest.mark.parametrize("path", ["", "a", "a/b.txt", "a/..b", "ä ö.txt", "..."])
    def test_others_pass(self, path: str) -> None:
        assert plain(path) == path


class TestMedia:
    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (PNG, "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
            (b"<svg onload=alert(1)>", "text/plain; charset=utf-8"),
            ("äöü".encode(), "text/plain; charset=utf-8"),
            (b"", "text/plain; charset=utf-8"),
            (b"a\0b", "application/octet-stream"),
            (b"\xff\xfe\xfd", "application/octet-stream"),
        ],
    )
    def test_it_is_what_the_bytes_are(self, content: bytes, kind: str) -> None:
        assert media_type(content) == kind

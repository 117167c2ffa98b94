"""Files through the SDK."""

import io
from pathlib import Path

import httpx
import pytest
from daytona import AsyncSandbox, DaytonaError, FileDownloadRequest, FileUpload
from daytona.common.errors import (
    DaytonaBadRequestError,
    DaytonaConflictError,
    DaytonaFileAccessDeniedError,
    DaytonaFileNotFoundError,
)

pytestmark = pytest.mark.anyio


class TestUploadAndDownload:
    async def test_bytes_come_back_as_they_were(self, sandbox: AsyncSandbox) -> None:
        content = bytes(range(256)) * 1000

        await sandbox.fs.upload_file(content, "deep/er/data.bin")

        assert await sandbox.fs.download_file("deep/er/data.bin") == content
        assert await sandbox.fs.download_file("/home/daytona/deep/er/data.bin") == content

    async def test_an_empty_file_stays_empty(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_file(b"", "empty")

        assert await sandbox.fs.download_file("empty") == b""

    async def test_names_with_spaces_and_accents_survive(self, sandbox: AsyncSandbox) -> None:
        name = "a b/é 'quoted' \"double\" %20.txt"
        await sandbox.fs.upload_file(b"x", name)

        assert await sandbox.fs.download_file(name) == b"x"
        assert [found.name for found in await sandbox.fs.list_files("a b")] == [name[4:]]

    async def test_many_at_once_with_one_missing(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_files([FileUpload(b"1", "m/1"), FileUpload(b"2", "m/2")])

        found = await sandbox.fs.download_files(
            [FileDownloadRequest(source=name) for name in ("m/1", "m/none", "m/2")]
        )

        assert [result.result for result in found] == [b"1", None, b"2"]
        assert found[1].error

    async def test_a_large_file_to_disk(self, sandbox: AsyncSandbox, tmp_path: Path) -> None:
        content = b"0123456789abcdef" * (1024 * 1024)
        await sandbox.fs.upload_file(content, "large.bin")

        await sandbox.fs.download_file("large.bin", str(tmp_path / "large.bin"))

        assert (tmp_path / "large.bin").read_bytes() == content

    async def test_streams_both_ways(self, sandbox: AsyncSandbox) -> None:
        content = b"stream" * 100_000
        await sandbox.fs.upload_file_stream(io.BytesIO(content), "streamed")

        chunks = [chunk async for chunk in await sandbox.fs.download_file_stream("streamed")]

        assert b"".join(chunks) == content

    async def test_a_missing_file_is_told_apart(self, sandbox: AsyncSandbox) -> None:
        with pytest.raises(DaytonaFileNotFoundError):
            await sandbox.fs.download_file("nothing-here")
        with pytest.raises(DaytonaError):
            [chunk async for chunk in await sandbox.fs.download_file_stream("nothing-here")]

    async def test_an_upload_over_a_folder_fails_and_says_where(
        self, sandbox: AsyncSandbox
    ) -> None:
        await sandbox.fs.create_folder("folder", "755")

        with pytest.raises(DaytonaError, match="folder"):
            await sandbox.fs.upload_file(b"x", "folder")

    async def test_the_system_cannot_be_written(self, sandbox: AsyncSandbox) -> None:
        with pytest.raises(DaytonaError, match=r"[Rr]ead-only|denied"):
            await sandbox.fs.upload_file(b"x", "/etc/hermes/config.yaml")


class TestLooking:
    async def test_a_folder_lists_its_entries_in_order(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_files([FileUpload(b"22", "d/b"), FileUpload(b"1", "d/a/x")])

        found = await sandbox.fs.list_files("d")
        deep = await sandbox.fs.list_files("d", depth=2)

        assert [(entry.name, entry.is_dir) for entry in found] == [("a", True), ("b", False)]
        assert [entry.path for entry in deep] == ["d/a", "d/a/x", "d/b"]
        assert found[1].size == 2

    async def test_info_of_file_and_folder(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_file(b"abc", "one.txt")

        info = await sandbox.fs.get_file_info("one.txt")

        assert (info.name, info.size, info.is_dir) == ("one.txt", 3, False)
        assert (info.mode, info.permissions) == ("-rw-r--r--", "0644")
        assert (await sandbox.fs.get_file_info("/home/daytona")).is_dir

    async def test_info_and_list_of_nothing_are_not_found(self, sandbox: AsyncSandbox) -> None:
        with pytest.raises(DaytonaFileNotFoundError):
            await sandbox.fs.get_file_info("none")
        with pytest.raises(DaytonaFileNotFoundError):
            await sandbox.fs.list_files("none")


class TestChanging:
    async def test_a_folder_is_made_with_its_parents_and_mode(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.create_folder("p/q/r", "700")

        assert (await sandbox.fs.get_file_info("p/q/r")).permissions == "0700"

    async def test_a_bad_mode_is_refused(self, sandbox: AsyncSandbox) -> None:
        with pytest.raises(DaytonaBadRequestError):
            await sandbox.fs.create_folder("p", "99")

    async def test_delete_of_a_folder_wants_recursive(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_file(b"x", "gone/x")

        with pytest.raises(DaytonaBadRequestError):
            await sandbox.fs.delete_file("gone")
        await sandbox.fs.delete_file("gone", recursive=True)

        with pytest.raises(DaytonaFileNotFoundError):
            await sandbox.fs.delete_file("gone")

    async def test_move_refuses_to_overwrite(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_files([FileUpload(b"1", "from"), FileUpload(b"2", "taken")])

        with pytest.raises(DaytonaConflictError):
            await sandbox.fs.move_files("from", "taken")
        with pytest.raises(DaytonaFileNotFoundError):
            await sandbox.fs.move_files("none", "to")
        await sandbox.fs.move_files("from", "to")

        assert await sandbox.fs.download_file("to") == b"1"
        assert await sandbox.fs.download_file("taken") == b"2"

    async def test_permissions_change_and_ownership_cannot(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_file(b"x", "f")

        await sandbox.fs.set_file_permissions("f", mode="600")

        assert (await sandbox.fs.get_file_info("f")).permissions == "0600"
        with pytest.raises(DaytonaFileAccessDeniedError):
            await sandbox.fs.set_file_permissions("f", owner="root")


class TestSearching:
    async def test_text_and_names_are_found(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_files(
            [FileUpload(b"one\nTODO: two\n", "s/a.txt"), FileUpload(b"\0TODO", "s/sub/b.bin")]
        )

        lines = await sandbox.fs.find_files("s", "TODO")
        names = await sandbox.fs.search_files("s", "**/*.{txt,bin}")

        assert [(match.file, match.line, match.content) for match in lines] == [
            ("s/a.txt", 2, "TODO: two")
        ]
        assert names.files == ["s/a.txt", "s/sub/b.bin"]
        assert (await sandbox.fs.search_files("s", "*.md")).files == []

    async def test_text_is_replaced_and_failures_are_per_file(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_file(b"old and old", "r.txt")

        results = await sandbox.fs.replace_in_files(["r.txt", "none.txt"], "old", "new")

        assert [result.success for result in results] == [True, False]
        assert await sandbox.fs.download_file("r.txt") == b"new and new"


class TestSignedFileUrls:
    async def test_a_signed_url_needs_no_key(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_file(b"signed", "signed.txt")
        async with httpx.AsyncClient(trust_env=False) as stranger:
            down = await stranger.get(await sandbox.download_url("signed.txt"))
            up = await stranger.post(
                await sandbox.upload_url("up.txt"), files={"file": ("x", b"by url")}
            )

        assert (down.status_code, down.content) == (200, b"signed")
        assert up.status_code == 200
        assert await sandbox.fs.download_file("up.txt") == b"by url"

    async def test_a_changed_path_or_a_rotated_key_closes_it(self, sandbox: AsyncSandbox) -> None:
        await sandbox.fs.upload_file(b"signed", "signed.txt")
        url = await sandbox.download_url("signed.txt")
        async with httpx.AsyncClient(trust_env=False) as stranger:
            other = await stranger.get(url.replace("signed.txt", "other.txt"))
            await sandbox.rotate_signing_key()
            rotated = await stranger.get(url)
            fresh = await stranger.get(await sandbox.download_url("signed.txt"))

        assert (other.status_code, rotated.status_code, fresh.status_code) == (401, 401, 200)

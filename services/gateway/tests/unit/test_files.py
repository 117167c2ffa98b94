"""Workspace files over HTTP: through the transfer bucket, for the session's owner alone."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from common.contracts import chat, sandbox
from common.errors import ErrorCode, NotFoundError, TooLargeError
from common.testing.bus import FakeBodies, FakeServices

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
SESSION_ID = "ses_" + "2" * 20
FILES = f"/api/sessions/{SESSION_ID}/files"
ENTRY = sandbox.FileEntry(path="a/b.txt", is_directory=False, size=2, modified_at=AT)


@pytest.fixture(autouse=True)
def session(services: FakeServices) -> None:
    skill = sandbox.LaunchSkill(
        ref="a/b/c",
        owner="a",
        repo="b",
        commit="0" * 40,
        path="c",
        name="c",
        digest="sha256:" + "a" * 64,
        directory="a--b--c",
    )
    session = chat.Session(
        id=SESSION_ID,
        title="Hello",
        skill=skill,
        launch_id="lau_" + "1" * 20,
        created_at=AT,
        updated_at=AT,
    )
    services.answer(chat.FIND_SESSION, session)


def content(media_type: str, name: str = "obj_x") -> sandbox.FileContent:
    body = sandbox.StoredBody(bucket="transfer", object_name=name, size=3)
    return sandbox.FileContent(path="a/b.txt", media_type=media_type, body=body)


class TestListing:
    async def test_it_is_what_the_sandbox_says(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        found = sandbox.FileList(entries=[ENTRY], is_cut=True)
        services.answer(sandbox.LIST_FILES, found)

        response = await client.get(FILES, params={"path": "a"})

        assert response.json() == found.model_dump(mode="json")
        assert services.asked[-1].model_dump(exclude={"owner_id"}) == {
            "session_id": SESSION_ID,
            "path": "a",
        }


class TestContent:
    @pytest.mark.parametrize(
        ("media_type", "download", "kind"),
        [
            ("image/png", "false", "inline"),
            ("text/plain; charset=utf-8", "false", "inline"),
            ("application/octet-stream", "false", "attachment"),
            ("image/png", "true", "attachment"),
        ],
    )
    async def test_it_is_shown_where_that_is_safe(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        bodies: FakeBodies,
        media_type: str,
        download: str,
        kind: str,
    ) -> None:
        services.answer(sandbox.READ_FILE, content(media_type))
        bodies.waiting["obj_x"] = b"abc"

        response = await client.get(
            f"{FILES}/content", params={"path": 'a/ö"x.png', "download": download}
        )

        assert (response.status_code, response.content) == (200, b"abc")
        assert response.headers["content-type"] == media_type
        assert response.headers["content-disposition"] == (
            f"{kind}; filename=\"__x.png\"; filename*=UTF-8''%C3%B6%22x.png"
        )
        assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert bodies.waiting == {}

    async def test_a_body_that_is_gone_is_said(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(sandbox.READ_FILE, content("image/png"))

        assert (await client.get(f"{FILES}/content?path=a")).status_code == 410

    async def test_too_large_a_file_is_said(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(sandbox.READ_FILE, TooLargeError("too much text"))

        assert (await client.get(f"{FILES}/content?path=a")).json()["code"] == "too_large"


class TestUpload:
    async def test_files_go_where_they_shall_by_their_names_alone(
        self, client: httpx.AsyncClient, services: FakeServices, bodies: FakeBodies
    ) -> None:
        written: list[tuple[str, bytes]] = []

        def write(request: sandbox.WriteFile) -> sandbox.FileEntry:
            written.append((request.path, bodies.waiting[request.object_name]))
            return ENTRY

        services.answer(sandbox.WRITE_FILE, write)
        files = [("file", ("one.txt", b"1")), ("file", ("../../etc/two.txt", b"2" * 2_000_000))]

        response = await client.post(FILES, files=files, data={"path": "/in/"})

        assert response.status_code == 201, response.text
        assert response.json() == {"files": [ENTRY.model_dump(mode="json")] * 2}
        assert written == [("in/one.txt", b"1"), ("in/two.txt", b"2" * 2_000_000)]

    async def test_too_large_a_file_is_refused_before_any_is_written(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        files = [("file", ("a", b"1")), ("file", ("b", b"2" * (4 * 1024 * 1024 + 1)))]

        response = await client.post(FILES, files=files)

        assert response.status_code == 413
        assert not [one for one in services.asked if isinstance(one, sandbox.WriteFile)]

    async def test_what_was_written_before_a_failure_is_told(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        answers: list[Any] = [ENTRY, NotFoundError("gone", code=ErrorCode.SANDBOX_NOT_FOUND)]
        services.answer(sandbox.WRITE_FILE, lambda _: answers.pop(0))

        response = await client.post(FILES, files=[("file", ("a", b"1")), ("file", ("b", b"2"))])

        assert (response.status_code, response.json()["written"]) == (404, ["a/b.txt"])

    @pytest.mark.parametrize("name", ["..", "a/"])
    async def test_a_file_needs_a_name(self, client: httpx.AsyncClient, name: str) -> None:
        response = await client.post(FILES, files=[("file", (name, b"1"))])

        assert response.status_code == 400

    async def test_without_a_file_there_is_nothing_to_do(self, client: httpx.AsyncClient) -> None:
        assert (await client.post(FILES, data={"path": "x"})).status_code == 400


class TestArchive:
    async def test_the_workspace_is_one_zip(
        self, client: httpx.AsyncClient, services: FakeServices, bodies: FakeBodies
    ) -> None:
        bodies.waiting["obj_z"] = b"PK"
        stored = sandbox.StoredBody(bucket="transfer", object_name="obj_z", size=2)
        services.answer(sandbox.ARCHIVE_FILES, stored)

        response = await client.get(f"/api/sessions/{SESSION_ID}/files.zip")

        assert (response.content, response.headers["content-type"]) == (b"PK", "application/zip")
        assert response.headers["content-disposition"].startswith('attachment; filename="ses_')


class TestOwner:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/files"),
            ("GET", "/files/content?path=a"),
            ("POST", "/files"),
            ("GET", "/files.zip"),
        ],
    )
    async def test_another_owners_session_is_not_there(
        self, client: httpx.AsyncClient, services: FakeServices, method: str, path: str
    ) -> None:
        missing = NotFoundError("no such session", code=ErrorCode.SESSION_NOT_FOUND)
        services.answer(chat.FIND_SESSION, missing)
        files = [("file", ("a", b"1"))] if method == "POST" else None

        response = await client.request(method, f"/api/sessions/{SESSION_ID}{path}", files=files)

        assert (response.status_code, response.json()["code"]) == (404, "session_not_found")
        own = (sandbox.ListFiles, sandbox.ReadFile, sandbox.WriteFile, sandbox.ArchiveFiles)
        assert not [one for one in services.asked if isinstance(one, own)]

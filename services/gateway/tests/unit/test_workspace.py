"""The files of a workspace as pages show them: a tree, one file, what was put in."""

from datetime import UTC, datetime

import httpx
import pytest
from common.contracts import chat, sandbox
from common.errors import ConflictError, TooLargeError
from common.testing.bus import FakeBodies, FakeServices
from gateway.model.workspace import Node, files_in, tree_of

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
FILES = "/ui/sessions/ses_" + "2" * 20 + "/files"
HX = {"HX-Request": "true"}
HOSTILE = "<img src=x onerror=alert(1)>'\"?#.txt"

pytestmark = pytest.mark.usefixtures("platform")


def entry(path: str) -> sandbox.FileEntry:
    is_directory = path.endswith("/")
    return sandbox.FileEntry(
        path=path.rstrip("/"), is_directory=is_directory, size=3, modified_at=AT
    )


def told(nodes: list[Node]) -> list[object]:
    return [(node.name, told(node.children)) if node.is_directory else node.name for node in nodes]


def listing(services: FakeServices, *paths: str) -> None:
    found = sandbox.FileList(entries=[entry(path) for path in paths])
    services.answer(sandbox.LIST_FILES, found)


async def holds(
    services: FakeServices, bodies: FakeBodies, content: bytes, media_type: str
) -> None:
    name = await bodies.put_body(content)
    body = sandbox.StoredBody(bucket="transfer", object_name=name, size=len(content))
    services.answer(
        sandbox.READ_FILE, sandbox.FileContent(path="x", media_type=media_type, body=body)
    )


class TestTree:
    def test_directories_come_first_and_hold_what_is_in_them(self) -> None:
        entries = [
            entry(path) for path in ("z.txt", "b/", "b/c/", "b/c/d.txt", "b/a.txt", "A.txt")
        ]

        nodes = tree_of(entries)

        assert told(nodes) == [("b", [("c", ["d.txt"]), "a.txt"]), "A.txt", "z.txt"]
        assert files_in(entries) == 4

    def test_what_was_not_listed_is_known_as_deep(self) -> None:
        [a] = tree_of([entry("a/"), entry("a/b/"), entry("a/b/c/")])
        [d] = tree_of([entry("a/b/c/d/")], below="a/b/c")

        assert (a.is_deep, a.children[0].is_deep, a.children[0].children[0].is_deep) == (
            False,
            False,
            True,
        )
        assert (d.name, d.is_deep) == ("d", False)


class TestPages:
    async def test_an_open_page_gets_the_tree_alone(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        listing(services, "out/", "out/a.txt")

        part = (await client.get(FILES, headers=HX)).text
        page = (await client.get(FILES)).text

        assert part.startswith('<div id="tree" data-files="1">')
        assert "<!doctype html>" in page
        assert "a.txt" in page

    async def test_a_hostile_name_is_a_name(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        listing(services, HOSTILE)

        html = (await client.get(FILES)).text

        assert "<img src=x" not in html
        assert "path=%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%27%22%3F%23.txt" in html

    async def test_a_sandbox_that_sleeps_says_so_in_its_place(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        asleep = ConflictError("it sleeps")
        services.answer(sandbox.LIST_FILES, asleep)
        services.answer(sandbox.READ_FILE, asleep)

        for path in (FILES, f"{FILES}/shown?path=x"):
            response = await client.get(path, headers=HX)
            assert response.status_code == 200
            assert "it sleeps" in response.text

    @pytest.mark.parametrize(
        ("content", "media_type", "shown"),
        [
            (b"<b>hi</b>", "text/plain; charset=utf-8", "&lt;b&gt;hi&lt;/b&gt;"),
            (b"\x89PNG", "image/png", '<img class="picture" src="/api/sessions/ses_'),
            (b"\0\1", "application/octet-stream", "Neither a text nor an image"),
        ],
    )
    async def test_a_file_is_shown_as_what_it_is(
        self,
        client: httpx.AsyncClient,
        services: FakeServices,
        bodies: FakeBodies,
        content: bytes,
        media_type: str,
        shown: str,
    ) -> None:
        await holds(services, bodies, content, media_type)

        html = (await client.get(f"{FILES}/shown", params={"path": "x.txt"}, headers=HX)).text

        assert shown in html


class TestUploads:
    async def test_what_is_attached_goes_into_the_composer(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(sandbox.WRITE_FILE, entry("a.txt"))
        listing(services, "a.txt")
        files = {"file": ("a.txt", b"abc")}

        html = (await client.post(FILES, files=files, data={"attach": "true"}, headers=HX)).text

        assert 'hx-target="#attached" hx-swap="beforeend"' in html
        assert '<input type="hidden" name="attachment" value="a.txt">' in html
        assert '<div id="tree" data-files="1">' in html

    async def test_a_refusal_is_said_where_the_file_was_given(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        services.answer(sandbox.WRITE_FILE, TooLargeError("the disk is full"))
        files = {"file": ("a.txt", b"abc")}

        html = (await client.post(FILES, files=files, headers=HX)).text
        attached = (
            await client.post(FILES, files=files, data={"attach": "true"}, headers=HX)
        ).text

        assert html.startswith('<hx-partial hx-target="#files-problem"')
        assert attached.startswith('<hx-partial hx-target="#composer-problem"')
        assert "the disk is full" in html

    async def test_attachments_go_with_the_message(
        self, client: httpx.AsyncClient, services: FakeServices
    ) -> None:
        session = "ses_" + "2" * 20
        turn = chat.Turn(
            id="tur_" + "3" * 20, session_id=session, state="pending", text="x", created_at=AT
        )
        services.answer(chat.START_TURN, turn)

        await client.post(
            FILES.removesuffix("/files") + "/turns",
            data={"text": "look", "attachment": ["a.txt", "b.txt"]},
            headers=HX,
        )

        [request] = [one for one in services.asked if isinstance(one, chat.StartTurn)]
        assert request.attachments == ["a.txt", "b.txt"]

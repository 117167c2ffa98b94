"""The script that looks into a workspace, run here: what it shows, and what it refuses."""

import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sandbox_manager.adapters.inside import browse
from sandbox_manager.adapters.inside.commands import answer_in, program


class Workspace:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "work" / "ses_1"
        self.root.mkdir(parents=True)
        self.aside = folder / "own" / "aside"

    def ask(self, command: str, **args: Any) -> Any:
        asked = {"workspace": str(self.root), "aside": str(self.aside), **args}
        text = program(command, asked, browse)
        done = subprocess.run(["sh"], input=text, capture_output=True, text=True, check=False)
        return answer_in(done.stdout + done.stderr)

    def list(self, path: str = "", most: int = 500) -> Any:
        return self.ask("list", path=path, depth=3, most=most)

    def take(self, path: str, limit: int = 1000) -> Any:
        return self.ask("take", path=path, limit=limit)

    def put(self, path: str, content: bytes = b"new") -> Any:
        self.aside.parent.mkdir(exist_ok=True)
        self.aside.write_bytes(content)
        return self.ask("put", path=path)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    (made.root / "a/b/c/d").mkdir(parents=True)
    (made.root / "a/b/c/deep.txt").write_text("deep")
    (made.root / "it's a $(x).txt").write_text("hello")
    (tmp_path / "secret").write_text("secret")
    return made


class TestList:
    def test_three_levels_sorted(self, workspace: Workspace) -> None:
        answer = workspace.list()

        assert [entry["path"] for entry in answer["entries"]] == [
            "a",
            "a/b",
            "a/b/c",
            "it's a $(x).txt",
        ]
        assert answer["entries"][-1]["size"] == 5

    def test_a_directory_within(self, workspace: Workspace) -> None:
        entries = workspace.list("a/b/c")["entries"]

        assert [entry["path"] for entry in entries] == ["a/b/c/d", "a/b/c/deep.txt"]

    def test_too_many_are_cut_and_it_says_so(self, workspace: Workspace) -> None:
        answer = workspace.list(most=2)

        assert (len(answer["entries"]), answer["is_cut"]) == (2, True)

    def test_links_and_pipes_are_not_listed_and_not_followed(self, workspace: Workspace) -> None:
        (workspace.root / "link").symlink_to(workspace.folder)
        os.mkfifo(workspace.root / "pipe")
        paths = [entry["path"] for entry in workspace.list()["entries"]]

        assert not {"link", "pipe", "link/secret"} & set(paths)

    def test_a_workspace_that_is_not_there_is_empty(self, workspace: Workspace) -> None:
        assert workspace.list("nothing")["entries"] == []


OUTSIDE = ["../../secret", "link/secret", "link", "/etc/passwd", "a/../../../secret"]


class TestGuard:
    @pytest.mark.parametrize("path", OUTSIDE)
    def test_nothing_outside_is_read(self, workspace: Workspace, path: str) -> None:
        (workspace.root / "link").symlink_to(workspace.folder)

        assert workspace.take(path) == {"refused": "path_refused"}
        assert not workspace.aside.exists()

    @pytest.mark.parametrize("path", OUTSIDE)
    def test_nothing_outside_is_written(self, workspace: Workspace, path: str) -> None:
        (workspace.root / "link").symlink_to(workspace.folder)
        before = (workspace.folder / "secret").read_text()

        workspace.put(path)

        assert (workspace.folder / "secret").read_text() == before
        assert not (workspace.folder / "link").exists()

    def test_a_device_is_not_read(self, workspace: Workspace) -> None:
        os.mkfifo(workspace.root / "pipe")
        (workspace.root / "zero").symlink_to("/dev/zero")

        assert workspace.take("zero") == {"refused": "path_refused"}


class TestRead:
    def test_the_bytes_are_put_aside(self, workspace: Workspace) -> None:
        assert workspace.take("a/b/c/deep.txt") == {"size": 4}
        assert workspace.aside.read_bytes() == b"deep"

    def test_too_large_is_said(self, workspace: Workspace) -> None:
        assert workspace.take("a/b/c/deep.txt", limit=3) == {"refused": "too_large"}

    @pytest.mark.parametrize("path", ["nothing", "a", ""])
    def test_what_is_no_file_is_said(self, workspace: Workspace, path: str) -> None:
        assert workspace.take(path) == {"refused": "file_not_found"}


class TestWrite:
    def test_directories_are_made(self, workspace: Workspace) -> None:
        assert workspace.put("x/y/z.txt")["path"] == "x/y/z.txt"
        assert (workspace.root / "x/y/z.txt").read_bytes() == b"new"

    def test_a_link_is_replaced_not_followed(self, workspace: Workspace) -> None:
        (workspace.root / "out").symlink_to(workspace.folder / "secret")

        workspace.put("out")

        assert (workspace.root / "out").read_bytes() == b"new"
        assert (workspace.folder / "secret").read_text() == "secret"

    @pytest.mark.parametrize("path", ["a", "", "x/.."])
    def test_a_directory_is_not_replaced(self, workspace: Workspace, path: str) -> None:
        assert workspace.put(path) == {"refused": "path_refused"}


class TestArchive:
    def test_regular_files_at_any_depth_and_no_links(self, workspace: Workspace) -> None:
        (workspace.root / "link").symlink_to(workspace.folder)

        workspace.ask("archive", limit=1000)

        with zipfile.ZipFile(workspace.aside) as archive:
            assert archive.namelist() == ["a/b/c/deep.txt", "it's a $(x).txt"]

    def test_too_large_is_said(self, workspace: Workspace) -> None:
        assert workspace.ask("archive", limit=8) == {"refused": "too_large"}

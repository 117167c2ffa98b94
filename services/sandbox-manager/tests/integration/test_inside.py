"""What runs inside a sandbox, run here by a real shell: the script, and what starts processes."""

import io
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from common.digest import skill_digest
from common.testing.fakes import START as START_OF_TIME
from sandbox_manager.adapters.inside import script
from sandbox_manager.adapters.inside.commands import (
    START,
    InsideCommands,
    Shell,
    answer_in,
    program,
)
from sandbox_manager.model.config import render_environment

FILES = [
    ("SKILL.md", 0o644, b"hello"),
    ("scripts/run.sh", 0o755, b"#!/bin/sh\n"),
    ("e", 0o644, b""),
]
DIGEST = skill_digest(FILES)


def shell(command: str) -> str:
    """As the toolbox does: the command on a shell's standard input."""
    done = subprocess.run(["sh"], input=command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def bundle(path: Path, members: list[tuple[str, int, bytes]]) -> str:
    with tarfile.open(path, "w") as archive:
        for name, mode, content in members:
            member = tarfile.TarInfo(name)
            member.mode, member.size = mode, len(content)
            archive.addfile(member, io.BytesIO(content))
    return str(path)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "config.yaml").write_text("skills:\n  disabled: [__rev_00__]\n")
    return {
        "own": str(tmp_path / "own"),
        "root": str(tmp_path / "skills"),
        "config": str(tmp_path / "config.yaml"),
    }


def install(tmp_path: Path, places: dict[str, Any], members: Any = None, **more: Any) -> Any:
    asked = {
        "bundle": bundle(tmp_path / "b.tar", members or FILES),
        "directory": "acme--tools--it's a $(touch x)",
        "digest": DIGEST,
        "entry": {"digest": DIGEST},
        "revision": "a1",
    }
    return answer_in(shell(program("install", {**places, **asked, **more})))


class TestInstall:
    def test_files_lie_there_with_their_modes(
        self, tmp_path: Path, places: dict[str, Any]
    ) -> None:
        assert install(tmp_path, places) == {"digest": DIGEST}

        skill = tmp_path / "skills" / "acme--tools--it's a $(touch x)"
        assert (skill / "scripts/run.sh").stat().st_mode & 0o777 == 0o755
        assert (skill / "SKILL.md").read_bytes() == b"hello"
        assert "__rev_a1__" in (tmp_path / "config.yaml").read_text()
        assert DIGEST in (tmp_path / "own/manifest.json").read_text()

    def test_another_digest_puts_nothing_there(
        self, tmp_path: Path, places: dict[str, Any]
    ) -> None:
        install(tmp_path, places, digest=DIGEST, revision="b2")

        answer = install(tmp_path, places, [("SKILL.md", 0o644, b"evil")])

        assert answer != {"digest": DIGEST}
        kept = tmp_path / "skills" / "acme--tools--it's a $(touch x)" / "SKILL.md"
        assert kept.read_bytes() == b"hello"

    def test_a_new_version_leaves_nothing_of_the_old(
        self, tmp_path: Path, places: dict[str, Any]
    ) -> None:
        install(tmp_path, places)
        newer = [("SKILL.md", 0o644, b"newer")]

        install(tmp_path, places, newer, digest=skill_digest(newer), directory="d")
        install(tmp_path, places, FILES, directory="d")
        install(tmp_path, places, newer, digest=skill_digest(newer), directory="d")

        assert [path.name for path in (tmp_path / "skills/d").rglob("*")] == ["SKILL.md"]
        assert list((tmp_path / "own").glob("stage*")) == []

    @pytest.mark.parametrize("name", ["../../out", "/tmp/out-of-the-skill", "a/../../out"])
    def test_a_path_that_leads_out_is_not_followed(
        self, tmp_path: Path, places: dict[str, Any], name: str
    ) -> None:
        install(tmp_path, places, [*FILES, (name, 0o644, b"x")])

        assert not Path("/tmp/out-of-the-skill").exists()
        assert not list(tmp_path.rglob("out"))

    def test_a_link_is_not_unpacked(self, tmp_path: Path, places: dict[str, Any]) -> None:
        path = tmp_path / "l.tar"
        bundle(path, FILES)
        with tarfile.open(path, "a") as archive:
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)

        assert install(tmp_path, places, bundle=str(path)) == {"digest": DIGEST}

    def test_a_damaged_bundle_is_an_error_in_words(
        self, tmp_path: Path, places: dict[str, Any]
    ) -> None:
        (tmp_path / "bad.tar").write_bytes(b"x" * 2000)

        answer = install(tmp_path, places, bundle=str(tmp_path / "bad.tar"))

        assert answer["error"].startswith("ReadError")


class TestLook:
    def look(self, places: dict[str, Any], **more: Any) -> Any:
        asked = {"directory": "d", "workspace": None}
        return answer_in(shell(program("look", {**places, **asked, **more})))

    def test_what_was_changed_shows(self, tmp_path: Path, places: dict[str, Any]) -> None:
        install(tmp_path, places, directory="d")
        assert self.look(places)["digest"] == DIGEST

        (tmp_path / "skills/d/SKILL.md").write_text("changed")
        assert self.look(places)["digest"] not in (None, DIGEST)
        (tmp_path / "skills/d/link").symlink_to("/etc/passwd")
        assert self.look(places)["digest"] is None

    def test_a_workspace_is_made(self, tmp_path: Path, places: dict[str, Any]) -> None:
        answer = self.look(places, workspace=str(tmp_path / "work/ses_1"))

        assert answer == {"digest": None, "is_agent_alive": False, "agent": None}
        assert (tmp_path / "work/ses_1").is_dir()

    def test_the_agents_version_is_read_beside_its_program(
        self, tmp_path: Path, places: dict[str, Any]
    ) -> None:
        program_file = tmp_path / "own/venv/bin/hermes"
        program_file.parent.mkdir(parents=True)
        program_file.touch(mode=0o755)
        (tmp_path / "own/venv/lib/python3.12/site-packages/hermes_agent-0.19.0.dist-info").mkdir(
            parents=True
        )

        assert self.look(places)["agent"] == "0.19.0"


SKILL = {
    "ref": "acme/tools/pdf",
    "owner": "acme",
    "repo": "tools",
    "commit": "c" * 40,
    "path": "pdf",
    "name": "pdf",
    "digest": DIGEST,
    "directory": "acme--tools--pdf",
    "installed_at": START_OF_TIME.isoformat(),
}


class OneAnswer:
    """A sandbox whose script finds this."""

    def __init__(self, *entries: dict[str, Any]) -> None:
        self._line = f"{script.ANSWER}{json.dumps({'entries': entries})}"

    async def run(self, sandbox_id: str, command: str, *, timeout_s: int = 60) -> tuple[int, str]:
        return 0, self._line


class TestManifest:
    def read(self, places: dict[str, Any]) -> Any:
        return answer_in(shell(program("manifest", places)))

    def test_each_entry_comes_with_the_digest_of_what_lies_there(
        self, tmp_path: Path, places: dict[str, Any]
    ) -> None:
        install(tmp_path, places, directory="d", entry=SKILL)
        install(tmp_path, places, directory="e", entry=SKILL)
        (tmp_path / "skills/e/SKILL.md").write_text("changed")

        entries = {entry["directory"]: entry for entry in self.read(places)["entries"]}

        assert entries["d"] == {"directory": "d", "entry": SKILL, "digest": DIGEST}
        assert entries["e"]["digest"] not in (None, DIGEST)

    @pytest.mark.parametrize("text", ["", "[", "[1]", '{"../own": {}, "a/b": {}, "..": {}}'])
    def test_a_manifest_that_is_none_is_empty(
        self, tmp_path: Path, places: dict[str, Any], text: str
    ) -> None:
        (tmp_path / "own").mkdir()
        (tmp_path / "own/manifest.json").write_text(text)

        assert self.read(places)["entries"] == []

    @pytest.mark.parametrize(
        ("change", "count"),
        [
            ({}, 1),
            ({"digest": "sha256:" + "0" * 64}, 0),
            ({"owner": "other"}, 0),
            ({"directory": "acme--tools--docx"}, 0),
            ({"installed_at": "yesterday"}, 0),
            ({"installed_at": "2026-01-01T00:00:00"}, 0),
            ({"installed_at": None}, 0),
            ({"commit": None}, 0),
        ],
    )
    async def test_an_entry_counts_only_for_what_it_is(
        self, change: dict[str, Any], count: int
    ) -> None:
        answer = {"directory": "acme--tools--pdf", "entry": SKILL | change, "digest": DIGEST}
        inside = InsideCommands(cast(Shell, OneAnswer(answer)))

        assert len(await inside.manifest("box")) == count


class TestRemove:
    def test_files_and_manifest_entry_go(self, tmp_path: Path, places: dict[str, Any]) -> None:
        install(tmp_path, places, directory="d")

        shell(program("remove", {**places, "directory": "d", "revision": "c3"}))

        assert not (tmp_path / "skills/d").exists()
        assert (tmp_path / "own/manifest.json").read_text() == "{}"
        assert "__rev_c3__" in (tmp_path / "config.yaml").read_text()


class TestConfigure:
    def test_what_arrived_damaged_is_not_put_in_place(
        self, tmp_path: Path, places: dict[str, Any]
    ) -> None:
        (tmp_path / "staged").write_text("cut")
        target = str(tmp_path / "target")
        files = [[str(tmp_path / "staged"), target, "0" * 64]]

        answer = answer_in(
            shell(program("configure", {**places, "files": files, "directories": []}))
        )

        assert answer == {"damaged": target}
        assert not Path(target).exists()


class Starter:
    """The starter script in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.own = home / "own"
        self.own.mkdir()
        (self.own / "start").write_text(START.format(home=home, own=self.own))
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, **variables: str) -> int:
        (self.own / "agent.env").write_text(render_environment(variables))
        process = subprocess.Popen(["sh", str(self.own / "start"), "agent", *command])
        self.started.append(process)
        self.wait_for(lambda: self.pid() == process.pid and self.runs(command[0]))
        return process.pid

    def pid(self) -> int:
        text = (self.own / "agent.pid").read_text() if (self.own / "agent.pid").exists() else ""
        return int(text or 0)

    def runs(self, program: str) -> bool:
        return Path(f"/proc/{self.pid()}/comm").read_text().strip() == program

    def wait_for(self, holds: Any) -> None:
        deadline = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    for process in starter.started:
        process.kill()
        process.wait()


class TestStarter:
    def test_the_process_keeps_its_id_and_gets_any_value(self, starter: Starter) -> None:
        value = 'it\'s\na "$HOME" `x` \\ ä'

        pid = starter.start("sleep", "30", KEY=value)

        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert f"KEY={value}".encode() in environment

    def test_the_next_ends_the_last(self, starter: Starter) -> None:
        first = starter.start("sleep", "30")

        second = starter.start("sleep", "31")

        assert first != second
        assert starter.started[0].wait(timeout=10) != 0
        assert starter.started[1].poll() is None

    def test_a_process_that_only_has_the_same_id_is_left_alone(self, starter: Starter) -> None:
        stranger = subprocess.Popen(["sleep", "30"])
        starter.started.append(stranger)
        (starter.own / "agent.pid").write_text(str(stranger.pid))
        (starter.own / "agent.since").write_text("1")

        starter.start("sleep", "31")

        assert stranger.poll() is None

    def test_the_script_sees_whether_it_lives(
        self, starter: Starter, places: dict[str, Any]
    ) -> None:
        starter.start("sleep", "30")
        asked = {**places, "own": str(starter.own), "directory": None, "workspace": None}
        alive = answer_in(shell(program("look", asked)))
        assert alive is not None
        assert alive["is_agent_alive"]

        (starter.own / "agent.since").write_text("1")

        answer = answer_in(shell(program("look", asked)))
        assert answer == {"digest": None, "is_agent_alive": False, "agent": None}

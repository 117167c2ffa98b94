"""The insides of its sandboxes."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from common.contracts.sandbox import LaunchSkill
from common.digest import skill_digest
from common.ids import new_id
from sandbox_fakes.provider import FakeProvider
from sandbox_manager.model.account import plain
from sandbox_manager.model.config import OWN_FILES
from sandbox_manager.ports.inside import Agents, Found, Inside, Look


@dataclass
class FakeInside(Inside):
    """The insides of the provider's sandboxes: files, skills, processes."""

    provider: FakeProvider
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    skills: dict[tuple[str, str], str | None] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    raws: set[str] = field(default_factory=set)
    workspaces: set[tuple[str, str]] = field(default_factory=set)
    faults: list[tuple[str, Exception]] = field(default_factory=list)
    starts: int = 0
    garbles: bool = False
    outputs: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, list[Found]] = field(default_factory=dict)
    version: str = "0.19.0"

    def __post_init__(self) -> None:
        self.provider.on_stop = self.died

    def died(self, sandbox_id: str) -> None:
        self.agents.pop(sandbox_id, None)
        self.raws.discard(sandbox_id)

    async def configure(self, sandbox_id: str, files: Mapping[str, str]) -> None:
        self._enter(sandbox_id, "configure")
        self.files |= {(sandbox_id, path): text for path, text in files.items()}

    async def open_process(self, sandbox_id: str) -> str:
        self._enter(sandbox_id, "open_process")
        return new_id("prc")

    async def start_process(
        self, sandbox_id: str, process: str, name: str, command: Sequence[str]
    ) -> None:
        self._enter(sandbox_id, "start_process")
        self.starts += 1
        if name == "agent":
            self.agents[sandbox_id] = self.files[sandbox_id, f"{OWN_FILES}/agent.env"]
        else:
            self.raws.add(sandbox_id)

    async def end_process(self, sandbox_id: str, process: str) -> None:
        self._enter(sandbox_id, "end_process")

    async def install(self, sandbox_id: str, skill: LaunchSkill, bundle: bytes) -> str | None:
        self._enter(sandbox_id, "install")
        found = "sha256:" + "0" * 64 if self.garbles else bundle_digest(bundle)
        if found == skill.digest:
            self.skills[sandbox_id, skill.directory] = found
        return found

    async def remove(self, sandbox_id: str, directory: str) -> None:
        self._enter(sandbox_id, "remove")
        self.skills.pop((sandbox_id, directory), None)

    async def look(self, sandbox_id: str, *, directory: str | None, workspace: str | None) -> Look:
        self._enter(sandbox_id, "look")
        if workspace:
            self.workspaces.add((sandbox_id, workspace))
        found = self.skills.get((sandbox_id, directory)) if directory else None
        return Look(found, sandbox_id in self.agents, self.version)

    async def manifest(self, sandbox_id: str) -> Sequence[Found]:
        self._enter(sandbox_id, "manifest")
        return self.manifests.get(sandbox_id, [])

    async def output(self, sandbox_id: str, command: str) -> str:
        self._enter(sandbox_id, "output")
        return next((text for part, text in self.outputs.items() if part in command), "")

    async def set_up(self, sandbox_id: str, hermes: str) -> None:
        self._enter(sandbox_id, "set_up")

    def _enter(self, sandbox_id: str, call: str) -> None:
        self.provider.calls.append(call)
        self.provider.check_running(sandbox_id)
        for number, (name, error) in enumerate(self.faults):
            if name == call:
                del self.faults[number]
                raise error


@dataclass
class FakeAgents(Agents):
    inside: FakeInside
    is_frozen: bool = False
    frozen_starts: int = 0
    """How many of the processes that were started do not answer; a later one does."""

    async def is_agent_up(self, url: str, token: str, *, within: timedelta) -> bool:
        host = _sandbox_of(url)
        running = [text for name, text in self.inside.agents.items() if plain(name) == host]
        is_silent = self.is_frozen or self.inside.starts <= self.frozen_starts
        return not is_silent and any(token in text for text in running)

    async def is_raw_up(self, url: str, key: str, *, within: timedelta) -> bool:
        return _sandbox_of(url) in self.inside.raws


def _sandbox_of(url: str) -> str:
    return (urlsplit(url).hostname or "").split(".")[0].partition("-")[2]


def tar(files: Sequence[tuple[str, int, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, mode, content in files:
            member = tarfile.TarInfo(path)
            member.mode, member.size = mode, len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def bundle_digest(bundle: bytes) -> str:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
        return skill_digest(
            [(m.name, m.mode, archive.extractfile(m).read()) for m in archive]  # type: ignore[union-attr]
        )

"""What is done and seen inside a running sandbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from common.contracts.sandbox import LaunchSkill


@dataclass(frozen=True)
class Look:
    """What was seen inside a sandbox; `agent`: the version of the agent that is installed."""

    digest: str | None
    is_agent_alive: bool
    agent: str | None = None


@dataclass(frozen=True)
class Found:
    """A skill that the manifest on a sandbox's disk names, and whose bytes are what it says."""

    skill: LaunchSkill
    installed_at: datetime


class Inside(Protocol):
    """What is done inside a running sandbox, each in as few calls as possible."""

    async def configure(self, sandbox_id: str, files: Mapping[str, str]) -> None:
        """Write text files by rename, after checking what arrived."""
        ...

    async def open_process(self, sandbox_id: str) -> str:
        """A place to start one lasting process in; return its name."""
        ...

    async def start_process(
        self, sandbox_id: str, process: str, name: str, command: Sequence[str]
    ) -> None:
        """Start it with the environment in `<own files>/<name>.env`, ending the last of that
        name.
        """
        ...

    async def end_process(self, sandbox_id: str, process: str) -> None:
        """Forget a process started before; one that is gone is not an error."""
        ...

    async def install(self, sandbox_id: str, skill: LaunchSkill, bundle: bytes) -> str | None:
        """Put the files up, read their digest back, rename them into place if it is the skill's.

        Return the digest that was read back.
        """
        ...

    async def remove(self, sandbox_id: str, directory: str) -> None: ...

    async def manifest(self, sandbox_id: str) -> Sequence[Found]:
        """What is installed, by the disk's own account, each digest read back. A sandbox may lie:
        nothing in it is taken for more than where its bytes are.
        """
        ...

    async def look(self, sandbox_id: str, *, directory: str | None, workspace: str | None) -> Look:
        """Make the workspace, read the skill's digest back, see whether the agent lives."""
        ...

    async def output(self, sandbox_id: str, command: str) -> str:
        """What a command writes."""
        ...

    async def set_up(self, sandbox_id: str, hermes: str) -> None:
        """Install Hermes into a bare image."""
        ...


@dataclass(frozen=True)
class Listed:
    """A file or directory of a workspace."""

    path: str
    is_directory: bool
    size: int
    modified_at: datetime


class Workspaces(Protocol):
    """The files of a session's workspace, guarded: nothing outside it is read or written.

    Raises InvalidError with PATH_REFUSED, NotFoundError with FILE_NOT_FOUND, TooLargeError.
    """

    async def list(
        self, sandbox_id: str, session_id: str, path: str
    ) -> tuple[Sequence[Listed], bool]:
        """Entries, and whether there are more."""
        ...

    async def read(self, sandbox_id: str, session_id: str, path: str, limit: int) -> bytes: ...

    async def write(
        self, sandbox_id: str, session_id: str, path: str, content: bytes
    ) -> Listed: ...

    async def archive(self, sandbox_id: str, session_id: str, limit: int) -> bytes: ...


class Agents(Protocol):
    """The agent's own HTTP surface, through the preview."""

    async def is_agent_up(self, url: str, token: str, *, within: timedelta) -> bool: ...

    async def is_raw_up(self, url: str, key: str, *, within: timedelta) -> bool: ...

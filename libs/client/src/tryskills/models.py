"""What the API answers, as far as this client looks into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Skill:
    """A skill pinned to a commit and to its bytes."""

    ref: str
    owner: str
    repo: str
    path: str
    name: str
    description: str
    commit: str
    digest: str
    verdict: str
    findings: tuple[Json, ...]
    variables: tuple[Json, ...]
    warnings: tuple[str, ...]
    raw: Json

    @classmethod
    def read(cls, raw: Json) -> "Skill":
        report = raw.get("report") or {}
        return cls(
            ref=raw.get("ref", ""),
            owner=raw.get("owner", ""),
            repo=raw.get("repo", ""),
            path=raw.get("path", ""),
            name=raw.get("name", ""),
            description=raw.get("description", ""),
            commit=raw.get("commit", ""),
            digest=raw["digest"],
            verdict=report.get("verdict", "clear"),
            findings=tuple(report.get("findings") or ()),
            variables=tuple(raw.get("env_vars") or ()),
            warnings=tuple(raw.get("warnings") or ()),
            raw=raw,
        )

    @property
    def place(self) -> str:
        """`owner/repo/path`: where the skill stands, and the path of its page."""
        return "/".join(part for part in (self.owner, self.repo, self.path) if part)


@dataclass(frozen=True)
class Launch:
    id: str
    path: str
    state: str
    error: Json | None
    raw: Json

    @classmethod
    def read(cls, raw: Json) -> "Launch":
        path, state = raw.get("path") or "", raw.get("state", "")
        return cls(id=raw["id"], path=path, state=state, error=raw.get("error"), raw=raw)


@dataclass(frozen=True)
class Session:
    id: str
    title: str
    raw: Json

    @classmethod
    def read(cls, raw: Json) -> "Session":
        return cls(id=raw["id"], title=raw.get("title", ""), raw=raw)


@dataclass(frozen=True)
class Turn:
    id: str
    state: str
    raw: Json

    @classmethod
    def read(cls, raw: Json) -> "Turn":
        return cls(id=raw["id"], state=raw.get("state", ""), raw=raw)


@dataclass(frozen=True)
class Download:
    """A file with the name that the platform gives it."""

    name: str
    content: bytes

    @classmethod
    def read(cls, disposition: str, content: bytes) -> "Download":
        _, _, name = disposition.partition("filename*=UTF-8''")
        # Only the last part: it becomes a file on this machine.
        plain = unquote(name).replace("\\", "/").rpartition("/")[2]
        return cls(plain if plain.strip(".") else "download", content)


@dataclass(frozen=True)
class Entry:
    """One numbered entry of a journal."""

    seq: int
    type: str
    data: Json

    def text(self, name: str) -> str:
        value = self.data.get(name)
        return "" if value is None else str(value)

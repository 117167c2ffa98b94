"""Repositories of the tests: small trees in memory, and the archives GitHub would make of them."""

import gzip
import io
import tarfile
from collections.abc import Callable, Mapping

import pytest
from skill_resolver.model.tree import Entry, Tree

Files = Mapping[str, str | bytes | tuple[str, str]]
MakeTree = Callable[[Files], Tree]
MakeArchive = Callable[..., bytes]

COMMIT = "c0ffee" + "0" * 34


def skill_md(name: str, description: str = "A skill of the tests.", more: str = "") -> str:
    return f"---\nname: {name}\ndescription: {description}\n{more}---\n\n# {name}\n"


@pytest.fixture
def md() -> Callable[..., str]:
    return skill_md


@pytest.fixture
def make_tree() -> MakeTree:
    """A tree of `{path: text | bytes | ("link", target) | ("exec", text)}`."""

    def make(files: Files) -> Tree:
        entries: dict[str, Entry] = {}
        contents: dict[str, bytes] = {}
        for path, value in files.items():
            kind, text = value if isinstance(value, tuple) else ("file", value)
            if kind == "link":
                entries[path] = Entry(0, target=str(text))
                continue
            contents[path] = text.encode() if isinstance(text, str) else text
            entries[path] = Entry(len(contents[path]), 0o755 if kind == "exec" else 0o644)
        return Tree(entries, contents.__getitem__)

    return make


@pytest.fixture
def make_archive() -> MakeArchive:
    """A repository's `.tar.gz` as git writes it: one directory, the commit in a global header."""

    def make(files: Files, commit: str = COMMIT, top: str = "repo-HEAD") -> bytes:
        buffer = io.BytesIO()
        headers = {"comment": commit}
        with tarfile.open(
            fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers
        ) as archive:
            for path, value in files.items():
                kind, text = value if isinstance(value, tuple) else ("file", value)
                data = text.encode() if isinstance(text, str) else text
                member = tarfile.TarInfo(f"{top}/{path}" if top else path)
                member.mode = 0o775 if kind == "exec" else 0o664
                if kind == "link":
                    member.type, member.linkname = tarfile.SYMTYPE, str(text)
                else:
                    member.size = len(data)
                archive.addfile(member, io.BytesIO(data) if member.isreg() else None)
        return gzip.compress(buffer.getvalue(), 1)

    return make

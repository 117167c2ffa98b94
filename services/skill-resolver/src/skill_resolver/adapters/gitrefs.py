"""Branches and tags by one request of git's protocol, version 2: `ls-refs` with a prefix."""

import re
from collections.abc import Iterable, Mapping

HEADERS = {
    "Content-Type": "application/x-git-upload-pack-request",
    "Accept": "application/x-git-upload-pack-result",
    "Git-Protocol": "version=2",
}
ADVERTISED = {"Git-Protocol": "version=2"}
_DELIMITER, _FLUSH = b"0001", b"0000"
_LINE = re.compile(
    r"([0-9a-f]{40}) (?:(HEAD)|refs/(?:heads|tags)/(\S+))(?: peeled:([0-9a-f]{40}))?"
)


def request(prefixes: Iterable[str]) -> bytes:
    """Ask for the refs whose full names begin so, tags peeled to their commits."""
    arguments = ["peel", *(f"ref-prefix {prefix}" for prefix in prefixes)]
    return b"".join(
        [
            _packet("command=ls-refs"),
            _packet("agent=tryskills"),
            _packet("object-format=sha1"),
            _DELIMITER,
            *map(_packet, arguments),
            _FLUSH,
        ]
    )


def parse(answer: bytes) -> Mapping[str, str]:
    """Name -> commit, with HEAD where it was asked for; a branch goes before a tag of one name."""
    found: dict[str, str] = {}
    at = 0
    while at + 4 <= len(answer) and re.fullmatch(rb"[0-9a-f]{4}", answer[at : at + 4]):
        size = int(answer[at : at + 4], 16)
        if size < 4:
            break
        line = answer[at + 4 : at + size].decode("utf-8", "replace").rstrip("\n")
        at += size
        if match := _LINE.fullmatch(line):
            commit, head, name, peeled = match.groups()
            is_branch = " refs/heads/" in line
            if is_branch or (head or name) not in found:
                found[head or name] = peeled or commit
    return found


def _packet(line: str) -> bytes:
    content = f"{line}\n".encode()
    return b"%04x" % (len(content) + 4) + content

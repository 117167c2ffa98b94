"""From text to a `SkillRef`: clean, tell the form apart, hand over."""

import re
from collections.abc import Collection
from dataclasses import replace
from urllib.parse import unquote

from skill_resolver.errors import (
    SkillAmbiguousError,
    SourceMalformedError,
    SourceUnsupportedError,
)
from skill_resolver.model.reference import command, urls
from skill_resolver.model.reference.ref import (
    LOCAL_OWNER,
    SkillRef,
    checked_words,
    fragment,
    has_control_characters,
    render,
    repository,
)
from skill_resolver.model.words import words

MAX_LENGTH = 2000
_MAX_CANDIDATES = 10
_WRAPPERS = {"<": ">", '"': '"', "'": "'", "`": "`"}
_LINK = re.compile(r"\[[^\]\n]*\]\((\S+)\)")
_CONTINUED = re.compile(r"\\\r?\n[ \t]*")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP = re.compile(r"git@([^:/@\s]+):(.+)")
_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\d)(.*)", re.DOTALL)
_PINNED = re.compile(r"(.+)@([0-9a-f]{7,40})")
_COMMIT_WORD = re.compile(r"[0-9a-f]{40}")
_OF_A_DISK = frozenset(
    words(
        "Applications Library System Users Volumes bin boot dev etc home lib lib64 media mnt opt"
        " private proc root run sbin srv sys tmp usr var"
    )
)


def parse(text: str, own_hosts: Collection[str] = ()) -> SkillRef:
    """What `text` refers to.

    Raises:
        SourceMalformedError, SourceUnsupportedError: it refers to nothing that is read here.
        SkillAmbiguousError: a command that names several skills.
    """
    text = _clean(text)
    if not command.is_command(text):
        return _source(text, own_hosts)
    source, skills = command.parse(text)
    ref = _source(_clean(source), own_hosts)
    if len(skills) < 2:
        return _within(ref, skills[0]) if skills else ref
    candidates = [
        {"ref": render(_within(ref, skill)), "name": skill} for skill in skills[:_MAX_CANDIDATES]
    ]
    msg = "The command names several skills: try one."
    raise SkillAmbiguousError(msg, candidates)


def _within(ref: SkillRef, skill: str) -> SkillRef:
    """The skill of that name in what the source of a command points to, which may be a part of a
    repository.
    """
    path = ref.skill if ref.skill and ref.path is None else ref.path
    return replace(ref, skill=checked_words(skill), path=path or None)


def _clean(text: str) -> str:
    text = _CONTINUED.sub(" ", text).strip()
    if link := _LINK.fullmatch(text):
        text = link[1]
    while len(text) > 1 and _WRAPPERS.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    if not text:
        msg = "Nothing was given: paste a link or owner/repo/skill."
        raise SourceMalformedError(msg)
    if len(text) > MAX_LENGTH:
        msg = "That is too long for a reference to a skill."
        raise SourceMalformedError(msg)
    if has_control_characters(text):
        msg = "A reference may not contain control characters."
        raise SourceMalformedError(msg)
    return text


def _source(text: str, own_hosts: Collection[str]) -> SkillRef:
    if text[0] in "~." or "\\" in text or _is_of_a_disk(text):
        msg = "That is a path of a local disk, not a public skill."
        raise SourceUnsupportedError(msg)
    if address := _address(text):
        return urls.parse(address, own_hosts)
    if text[0] == "/":
        return urls.own_path(text)
    if prefixed := _PREFIX.fullmatch(text.split("/", 1)[0]):
        return _prefixed(prefixed[1], text, own_hosts)
    return _shorthand(text)


def _address(text: str) -> str:
    """The text as a web address; "" for what is none."""
    if _URL.match(text):
        return text
    if text.startswith("//"):
        return f"https:{text}"
    if scp := _SCP.fullmatch(text):
        return f"https://{scp[1]}/{scp[2]}"
    start = text.split("/", 1)[0]
    is_host = re.search(r"[.:]", start) and not _PREFIX.fullmatch(start)
    return f"https://{text}" if is_host else ""


def _is_of_a_disk(text: str) -> bool:
    return text[0] == "/" and text[1:].split("/", 1)[0] in _OF_A_DISK


def _prefixed(scheme: str, text: str, own_hosts: Collection[str]) -> SkillRef:
    if scheme.lower() != "github":
        raise SourceUnsupportedError(f"Skills are not read from {scheme}: addresses.")
    rest = text.partition(":")[2]
    if not rest or _PREFIX.match(rest) or rest[0] in "/~.":
        msg = "After github: comes owner/repo."
        raise SourceMalformedError(msg)
    return _source(rest, own_hosts)


def _shorthand(text: str) -> SkillRef:
    body, _, anchor = text.partition("#")
    parts = [unquote(part) for part in body.rstrip("/").split("/")]
    if len(parts) < 2:
        msg = "That names no repository: use owner/repo/skill or a link."
        raise SourceMalformedError(msg)
    ref, skill = fragment(anchor)
    name, _, named = parts[1].partition("@")
    owner, repo = repository(parts[0], name)
    if named or len(parts) == 2:
        word = skill or "/".join([named, *parts[2:]])
        return _repository_form(owner, repo, ref, word)
    if urls.is_tree(parts):
        return urls.from_tree(owner, repo, tuple(parts[3:]))
    asked, pinned = _pinned("/".join(parts[2:]))
    return SkillRef(owner, repo, ref=ref or pinned, skill=checked_words(skill or asked))


def _repository_form(owner: str, repo: str, ref: str, word: str) -> SkillRef:
    if _COMMIT_WORD.fullmatch(word) and not ref:
        return SkillRef(owner, repo, ref=word)
    return SkillRef(owner, repo, ref=ref, skill=checked_words(word) if word else "")


def _pinned(asked: str) -> tuple[str, str]:
    match = _PINNED.fullmatch(asked)
    return (match[1], match[2]) if match else (asked, "")


__all__ = ["LOCAL_OWNER", "parse"]

"""From text to a `SkillRef`: clean, tell the form apart, hand over."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import replace
from urllib.parse import unquote

from skill_resolver.errors import SourceMalformedError, SourceUnsupportedError
from skill_resolver.model.reference import command, urls
from skill_resolver.model.reference.ref import (
    LOCAL_OWNER,
    SkillRef,
    checked_ref,
    checked_words,
    repository,
)

MAX_LENGTH = 2000
_WRAPPERS = {"<": ">", '"': '"', "'": "'", "`": "`"}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP = re.compile(r"git@([^:/@\s]+):(.+)")
_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\d)(.*)", re.DOTALL)
_PINNED = re.compile(r"(.+)@([0-9a-f]{7,40})")
_COMMIT_WORD = re.compile(r"[0-9a-f]{40}")


def parse(text: str, own_hosts: Collection[str] = ()) -> SkillRef:
    """What `text` refers to.

    Raises:
        SourceMalformedError, SourceUnsupportedError: it refers to nothing that is read here.
        SkillAmbiguousError: a command that names several skills.
    """
    text = _clean(text)
    if command.is_command(text):
        source, skill = command.parse(text)
        ref = _source(_clean(source), own_hosts)
        return replace(ref, skill=checked_words(skill), path=None) if skill else ref
    return _source(text, own_hosts)


def _clean(text: str) -> str:
    text = text.strip()
    while len(text) > 1 and _WRAPPERS.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    if not text:
        msg = "Nothing was given: paste a link or owner/repo/skill."
        raise SourceMalformedError(msg)
    if len(text) > MAX_LENGTH:
        msg = "That is too long for a reference to a skill."
        raise SourceMalformedError(msg)
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text):
        msg = "A reference may not contain control characters."
        raise SourceMalformedError(msg)
    return text


def _source(text: str, own_hosts: Collection[str]) -> SkillRef:
    if text[0] in "/~." or "\\" in text:
        msg = "That is a path of a local disk, not a public skill."
        raise SourceUnsupportedError(msg)
    if _URL.match(text):
        return urls.parse(text, own_hosts)
    if scp := _SCP.fullmatch(text):
        return urls.parse(f"https://{scp[1]}/{scp[2]}", own_hosts)
    if prefixed := _PREFIX.fullmatch(text.split("/", 1)[0]):
        return _prefixed(prefixed[1], text, own_hosts)
    if re.search(r"[.:]", text.split("/", 1)[0]):
        return urls.parse(f"https://{text}", own_hosts)
    return _shorthand(text)


def _prefixed(scheme: str, text: str, own_hosts: Collection[str]) -> SkillRef:
    if scheme.lower() != "github":
        raise SourceUnsupportedError(f"Skills are not read from {scheme}: addresses.")
    rest = text.partition(":")[2]
    if not rest or _PREFIX.match(rest) or rest[0] in "/~.":
        msg = "After github: comes owner/repo."
        raise SourceMalformedError(msg)
    return _source(rest, own_hosts)


def _shorthand(text: str) -> SkillRef:
    body, _, fragment = text.partition("#")
    parts = [unquote(part) for part in body.rstrip("/").split("/")]
    if len(parts) < 2:
        msg = "That names no repository: use owner/repo/skill or a link."
        raise SourceMalformedError(msg)
    ref, skill = _fragment(fragment)
    if len(parts) == 2:
        repo, _, named = parts[1].partition("@")
        return _repository_form(parts[0], repo, ref, skill or named)
    if urls.is_tree(parts):
        return urls.from_tree(*repository(parts[0], parts[1]), tuple(parts[3:]))
    words, pinned = _pinned("/".join(parts[2:]))
    owner, repo = repository(parts[0], parts[1])
    return SkillRef(owner, repo, ref=ref or pinned, skill=checked_words(skill or words))


def _repository_form(owner: str, repo: str, ref: str, word: str) -> SkillRef:
    owner, repo = repository(owner, repo)
    if _COMMIT_WORD.fullmatch(word) and not ref:
        return SkillRef(owner, repo, ref=word)
    return SkillRef(owner, repo, ref=ref, skill=checked_words(word) if word else "")


def _fragment(fragment: str) -> tuple[str, str]:
    """`#ref` or `#ref@skill`; a branch may itself begin with @."""
    if not fragment:
        return "", ""
    fragment = unquote(fragment)
    at = fragment.rfind("@")
    ref, skill = (fragment[:at], fragment[at + 1 :]) if at > 0 else (fragment, "")
    return checked_ref(ref), skill


def _pinned(words: str) -> tuple[str, str]:
    match = _PINNED.fullmatch(words)
    return (match[1], match[2]) if match else (words, "")


__all__ = ["LOCAL_OWNER", "parse"]

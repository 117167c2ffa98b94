"""A reference as read from what the user typed, and the checks of its parts."""

import re
import shlex
import unicodedata
from dataclasses import dataclass, replace
from urllib.parse import unquote

from skill_resolver.errors import SourceMalformedError

LOCAL_OWNER = "local"
"""The owner of skills that lie in a directory of the operator's machine."""

ALIASES = {
    ("vercel-labs", "vercel-skills"): ("vercel-labs", "agent-skills"),
    ("coinbase", "agentwallet"): ("coinbase", "agentic-wallet-skills"),
}

COMMIT = re.compile(r"[0-9a-f]{40}")
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}")
_REPO = re.compile(r"[A-Za-z0-9._-]{1,100}")
_BAD_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|[/.]$|\.lock$")
_MAX_REF = 250


@dataclass(frozen=True)
class SkillRef:
    """Where to look and for what; owner and repository in lower case, as GitHub compares them.

    What is meant is `skill` (a name, or words with slashes), or `path` (a path that decides, ""
    is the root), or `tail` (the segments of REF/PATH, not yet split); none of them means the
    repository. A `skill` beside a `path` or a `tail` is looked for in that part of the repository
    only. `ref` "" is the default branch. `ref_may_be_anchor`: a page's `#anchor` looks the same as
    a branch.
    """

    owner: str
    repo: str
    ref: str = ""
    skill: str = ""
    path: str | None = None
    tail: tuple[str, ...] = ()
    ref_may_be_anchor: bool = False

    @property
    def is_local(self) -> bool:
        return self.owner == LOCAL_OWNER

    @property
    def repository(self) -> str:
        return f"{self.owner}/{self.repo}"


def repository(owner: str, repo: str) -> tuple[str, str]:
    """Owner and repository, checked and in lower case."""
    repo = repo[:-4] if repo.lower().endswith(".git") else repo
    if not _OWNER.fullmatch(owner):
        raise SourceMalformedError(f"{owner[:60]!r} is not the name of a GitHub owner.")
    if not _REPO.fullmatch(repo) or repo in {".", ".."}:
        raise SourceMalformedError(f"{repo[:60]!r} is not the name of a repository.")
    owner, repo = owner.lower(), repo.lower()
    return ALIASES.get((owner, repo), (owner, repo))


def has_control_characters(text: str) -> bool:
    return any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text)


def fragment(text: str) -> tuple[str, str]:
    """Ref and skill of `#ref` or `#ref@skill`; a branch may itself begin with @."""
    if not text:
        return "", ""
    text = unquote(text)
    at = text.rfind("@")
    ref, skill = (text[:at], text[at + 1 :]) if at > 0 else (text, "")
    return checked_ref(ref), skill


def checked_ref(ref: str) -> str:
    """A branch, tag or commit that git could have; never an option, a range or an expression."""
    if not ref or len(ref) > _MAX_REF or _BAD_IN_REF.search(ref):
        raise SourceMalformedError(f"{ref[:60]!r} is not the name of a branch, tag or commit.")
    return ref


def checked_words(words: str) -> str:
    """A skill's name or path, without anything that leads out of the repository."""
    words = words.strip("/")
    if any(part in {"", ".", ".."} for part in words.split("/")) or "\\" in words:
        msg = "The path of a skill may not contain '.', '..' or a backslash."
        raise SourceMalformedError(msg)
    if has_control_characters(words):
        msg = "The name of a skill may not contain control characters."
        raise SourceMalformedError(msg)
    return words


def render(ref: SkillRef) -> str:
    """A short form that `parse` reads as the same reference."""
    if ref.skill and (ref.path or ref.tail):
        part = render(replace(ref, skill=""))
        return f"npx skills add {shlex.quote(part)} --skill {shlex.quote(ref.skill)}"
    if ref.path is not None or ref.tail:
        parts = [ref.ref or "HEAD", *(ref.path or "").split("/")] if not ref.tail else ref.tail
        segments = "/".join(_quoted(part) for part in parts if part)
        return f"https://github.com/{ref.repository}/tree/{segments}"
    words = f"/{_quoted(ref.skill, keep='/')}" if ref.skill else ""
    return f"{ref.repository}{words}{f'#{ref.ref}' if ref.ref else ''}"


def _quoted(text: str, keep: str = "") -> str:
    reserved = "%#?/@".translate({ord(char): None for char in keep})
    return "".join(f"%{ord(char):02X}" if char in reserved else char for char in text)

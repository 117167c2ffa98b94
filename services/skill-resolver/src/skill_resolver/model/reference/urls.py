"""References that are web addresses. Only the exact hosts listed here are read; a look-alike is
refused by name.
"""

import re
from collections.abc import Collection, Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from skill_resolver.errors import SourceMalformedError, SourceUnsupportedError
from skill_resolver.model.reference.ref import (
    COMMIT,
    SkillRef,
    checked_ref,
    checked_words,
    fragment,
    repository,
)
from skill_resolver.model.words import words

SKILLS_HOSTS = {"skills.sh", "www.skills.sh"}
GITHUB_HOSTS = {"github.com", "www.github.com"}
_SKILLS_PAGES = frozenset(
    words(
        "about agents api audits b contact curated docs hot official p packs privacy site tele"
        " terms topics trending"
    )
)
_OWN_PAGES = frozenset(
    words(
        "api asyncapi.json auth badge dashboard docs healthz local-issuer metrics openapi.json"
        " launches readyz settings shared static ui v1"
    )
)
_GITHUB_PAGES = frozenset(
    words(
        "about apps collections customer-stories enterprise events explore features issues login"
        " marketplace new notifications organizations orgs pricing pulls search security sessions"
        " settings signup site sponsors stars team topics trending users"
    )
)
_REPOSITORY_PAGES = frozenset(
    words(
        "actions activity blob branches commits community compare contributors deployments"
        " discussions forks graphs issues labels milestones network packages projects pull pulls"
        " pulse releases search security settings stargazers tags watchers wiki"
    )
)
_TREE_KINDS = {"tree", "blob", "raw", "edit", "blame"}
_ARCHIVE = re.compile(r"(.+?)\.(?:tar\.gz|tgz|zip)")
_SCHEMES = {"http": 80, "https": 443, "git+https": 443, "ssh": 22, "git": 9418}


def parse(text: str, own_hosts: Collection[str]) -> SkillRef:
    url = _split(text)
    host = url.netloc.lower()
    if host in own_hosts:
        return _site(_without_audits(_segments(url), least=5), _OWN_PAGES)
    host = _bare_host(url)
    if host in SKILLS_HOSTS:
        return _site(_without_audits(_segments(url), least=4), _SKILLS_PAGES)
    if host in GITHUB_HOSTS:
        return _github(_segments(url), url.fragment)
    if host == "raw.githubusercontent.com":
        return _raw(_segments(url))
    if host == "codeload.github.com":
        return _codeload(_segments(url))
    raise SourceUnsupportedError(f"Skills are not read from {host[:100]!r}.")


def own_path(text: str) -> SkillRef:
    """The path of a page of this platform, which is also that of skills.sh: /owner/repo/skill."""
    segments = _segments(_split(f"https://own{text}"))
    return _site(_without_audits(segments, least=5), _OWN_PAGES)


def is_tree(segments: Sequence[str]) -> bool:
    """owner/repo/tree/REF/..., with whatever host was in front."""
    return len(segments) > 3 and segments[2] in {"tree", "blob"}


def from_tree(owner: str, repo: str, tail: tuple[str, ...]) -> SkillRef:
    """REF/PATH: split at once where that is certain, else left to whoever knows the branches."""
    if tail[:2] in {("refs", "heads"), ("refs", "tags")}:
        tail = tail[2:]
    if not tail:
        return SkillRef(owner, repo)
    if len(tail) == 1 or "/" in tail[0] or COMMIT.fullmatch(tail[0]) or tail[0] == "HEAD":
        path = checked_words("/".join(tail[1:])) if tail[1:] else ""
        ref = "" if tail[0] == "HEAD" else checked_ref(tail[0])
        return SkillRef(owner, repo, ref=ref, path=path)
    checked_words("/".join(tail))
    return SkillRef(owner, repo, tail=tail)


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as exc:
        msg = "That is not a web address."
        raise SourceMalformedError(msg) from exc
    if url.scheme not in _SCHEMES:
        raise SourceUnsupportedError(f"Skills are not read from {url.scheme[:40]}: addresses.")
    if url.password is not None or (url.username or "git") != "git":
        msg = "An address with credentials is refused: take them out."
        raise SourceMalformedError(msg)
    return url


def _bare_host(url: SplitResult) -> str:
    host = (url.hostname or "").lower()
    if url.port is not None and url.port != _SCHEMES[url.scheme]:
        return f"{host}:{url.port}"
    return host


def _segments(url: SplitResult) -> list[str]:
    segments = [unquote(part, errors="replace") for part in url.path.split("/") if part]
    for segment in segments:
        if "\\" in segment or any(part in {".", ".."} for part in segment.split("/")):
            msg = "An address may not contain '.' or '..' or a backslash."
            raise SourceMalformedError(msg)
        if any(ord(char) < 32 or ord(char) == 127 for char in segment):
            msg = "An address may not contain control characters."
            raise SourceMalformedError(msg)
    return segments


def _owner_and_repo(segments: Sequence[str], pages: Collection[str]) -> tuple[str, str]:
    if segments and segments[0].lower() in pages:
        msg = "That is a page of the site, not a skill."
        raise SourceUnsupportedError(msg)
    if len(segments) < 2:
        msg = "That address names no repository."
        raise SourceMalformedError(msg)
    return repository(segments[0], segments[1])


def _without_audits(segments: list[str], *, least: int) -> list[str]:
    """owner/repo/skill of the page of a skill's audits, owner/repo/skill/security/AUDITOR."""
    is_audit = segments[3:4] == ["security"] and len(segments) >= least
    return segments[:3] if is_audit else segments


def _site(segments: list[str], pages: Collection[str]) -> SkillRef:
    """/{owner}/{repo}/{skill}, the form of skills.sh and of this platform."""
    owner, repo = _owner_and_repo(segments, pages)
    words = segments[2:]
    if is_tree(segments):
        return from_tree(owner, repo, tuple(segments[3:]))
    return SkillRef(owner, repo, skill=checked_words("/".join(words)) if words else "")


def _github(segments: list[str], anchor: str) -> SkillRef:
    owner, repo = _owner_and_repo(segments, _GITHUB_PAGES)
    kind, rest = (segments[2], tuple(segments[3:])) if segments[2:] else ("", ())
    if not kind:
        ref, skill = fragment(anchor)
        skill = checked_words(skill) if skill else ""
        return SkillRef(owner, repo, ref=ref, skill=skill, ref_may_be_anchor=bool(ref))
    if kind in _TREE_KINDS:
        return from_tree(owner, repo, rest)
    return _github_page(owner, repo, kind, rest)


def _github_page(owner: str, repo: str, kind: str, rest: tuple[str, ...]) -> SkillRef:
    ref = "/".join(rest)
    if kind == "commit" and rest:
        return SkillRef(owner, repo, ref=checked_ref(rest[0]))
    if kind == "releases" and rest[:1] == ("tag",):
        return SkillRef(owner, repo, ref=checked_ref(ref.removeprefix("tag/")))
    if kind == "archive" and (archive := _ARCHIVE.fullmatch(ref)):
        return SkillRef(owner, repo, ref=checked_ref(_short(archive[1])))
    if kind in _REPOSITORY_PAGES:
        raise SourceUnsupportedError(f"The page {kind!r} of a repository is not a skill.")
    name = "/".join([kind, *rest])[:100]
    raise SourceUnsupportedError(
        f"GitHub has no such page. If a skill is meant, say {owner}/{repo}/{name}"
    )


def _raw(segments: list[str]) -> SkillRef:
    owner, repo = _owner_and_repo(segments, ())
    if len(segments) < 4:
        msg = "A raw address names a file in a branch."
        raise SourceMalformedError(msg)
    return from_tree(owner, repo, tuple(segments[2:]))


def _codeload(segments: list[str]) -> SkillRef:
    owner, repo = _owner_and_repo(segments, ())
    ref = _short("/".join(segments[3:]))
    return SkillRef(owner, repo, ref=checked_ref(ref) if ref and ref != "HEAD" else "")


def _short(ref: str) -> str:
    return re.sub(r"^refs/(?:heads|tags)/", "", ref)

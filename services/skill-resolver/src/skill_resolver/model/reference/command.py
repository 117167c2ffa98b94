"""The line that a skill's page tells people to run: `npx skills add owner/repo --skill name`."""

import re
import shlex

from skill_resolver.errors import SourceMalformedError, SourceUnsupportedError

_PROMPTS = "$%>#\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT} "
_RUNNERS = {"npx", "bunx", "pnpx", "pnpm", "yarn", "bun", "npm"}
_RUNNER_WORDS = {"dlx", "x", "exec", "--", "-y", "--yes"}
_PACKAGES = {"skills", "add-skill"}
_VERBS = {"add", "a", "i", "install", "use"}
_SKILL_FLAGS = {"-s", "--skill"}
_VALUE_FLAGS = {"-a", "--agent", "-s", "--skill"}
_NAMES_A_SKILL = re.compile(r"\s(?:-s|--skill)(?:[\s=]|$)")


def is_command(text: str) -> bool:
    """Whether the text is words rather than one reference.

    A name with spaces is still one reference where owner/repo/ stands before the first space.
    """
    head, *rest = text.split(maxsplit=1)
    return bool(rest) and (head.count("/") < 2 or "=" in head or bool(_NAMES_A_SKILL.search(text)))


def parse(text: str) -> tuple[str, list[str]]:
    """The source and the names of skills of an install command, or of its arguments alone."""
    words = _without_comment(_split(text))
    has_source = bool(words) and "/" in words[0] and _NAMES_A_SKILL.search(text)
    sources, skills = _arguments(words if has_source else _installer_words(words))
    if len(sources) != 1:
        msg = "The command names no single source."
        raise SourceMalformedError(msg)
    return sources[0], skills


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text.lstrip(_PROMPTS))
    except ValueError as exc:
        msg = "The command has an unclosed quote."
        raise SourceMalformedError(msg) from exc


def _without_comment(words: list[str]) -> list[str]:
    comment = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:comment]


def _installer_words(words: list[str]) -> list[str]:
    """What follows `skills add`."""
    if words and words[0] in _RUNNERS:
        words = words[1:]
        while words and words[0] in _RUNNER_WORDS:
            words = words[1:]
    package = words[0].split("@")[0] if words else ""
    if package not in _PACKAGES:
        msg = "That is a sentence or another command, not a skill."
        raise SourceMalformedError(msg)
    words = words[1:]
    if words and words[0] in _VERBS:
        return words[1:]
    if package == "skills":
        msg = "Of the skills commands only `add` names a skill."
        raise SourceUnsupportedError(msg)
    return words


def _arguments(words: list[str]) -> tuple[list[str], list[str]]:
    """Positional words and the values of --skill; a flag's values go on until the next flag."""
    sources: list[str] = []
    skills: list[str] = []
    flag = ""
    for word in words:
        if word.startswith("-"):
            name, _, value = word.partition("=")
            flag = "" if value else name
            if value and name in _SKILL_FLAGS:
                skills.append(value)
        elif flag in _SKILL_FLAGS:
            skills.append(word)
        elif flag not in _VALUE_FLAGS:
            sources.append(word)
    return sources, [skill for skill in skills if skill not in {"", "*"}]

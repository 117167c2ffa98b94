"""The line that a skill's page tells people to run: `npx skills add owner/repo --skill name`."""

import shlex

from skill_resolver.errors import SkillAmbiguousError, SourceMalformedError, SourceUnsupportedError

_RUNNERS = {"npx", "bunx", "pnpx", "pnpm", "yarn", "bun", "npm"}
_RUNNER_WORDS = {"dlx", "x", "exec", "--", "-y", "--yes"}
_PACKAGES = {"skills", "add-skill"}
_VERBS = {"add", "a", "i", "install", "use"}
_SKILL_FLAGS = {"-s", "--skill"}
_VALUE_FLAGS = {"-a", "--agent", "-s", "--skill"}


def is_command(text: str) -> bool:
    """Whether the text is words rather than one reference.

    A name with spaces is still one reference where owner/repo/ stands before the first space.
    """
    head, *rest = text.split(maxsplit=1)
    return bool(rest) and (head.count("/") < 2 or "=" in head)


def parse(text: str) -> tuple[str, str]:
    """The source and the skill's name ("" if none) of an install command."""
    words = _installer_words(_split(text))
    sources, skills = _arguments(words)
    if len(sources) != 1:
        msg = "The command names no single source."
        raise SourceMalformedError(msg)
    if len(skills) > 1:
        candidates = [{"ref": f"{sources[0]}@{skill}", "name": skill} for skill in skills[:10]]
        msg = "The command names several skills: try one."
        raise SkillAmbiguousError(msg, candidates)
    return sources[0], skills[0] if skills else ""


def _split(text: str) -> list[str]:
    try:
        words = shlex.split(text.removeprefix("$").strip())
    except ValueError as exc:
        msg = "The command has an unclosed quote."
        raise SourceMalformedError(msg) from exc
    return words


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
    return sources, [skill for skill in skills if skill != "*"]

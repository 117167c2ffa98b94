"""What a rule is, and the small language its table is written in."""

import re
from dataclasses import dataclass
from re import Pattern

from common.contracts.skills import Severity

INFO, WARNING = Severity.INFO, Severity.WARNING
DANGER, CRITICAL = Severity.DANGER, Severity.CRITICAL


@dataclass(frozen=True)
class Rule:
    """Tried on each line that holds one of its needles; so a file costs what it contains.

    `in_prose` is the severity outside of code: in text that is read, not run.
    """

    id: str
    severity: Severity
    needles: tuple[str, ...]
    pattern: Pattern[str]
    in_prose: Severity | None = None


def rule(
    name: str, severity: Severity, needles: str, pattern: str, in_prose: Severity | None = None
) -> Rule:
    """In `needles`, which are lower case, `~` stands for a space."""
    words = tuple(word.replace("~", " ") for word in needles.split())
    return Rule(name, severity, words, re.compile(pattern, re.IGNORECASE), in_prose)

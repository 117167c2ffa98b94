"""What a report consists of."""

from dataclasses import dataclass

from common.contracts.skills import Severity

ORDER = [Severity.CRITICAL, Severity.DANGER, Severity.WARNING, Severity.INFO]
SOFTER = {Severity.CRITICAL: Severity.DANGER, Severity.DANGER: Severity.WARNING}


@dataclass(frozen=True)
class Finding:
    """One place worth a look; `line` counts from 1, 0 stands for the whole file."""

    rule: str
    severity: Severity
    file: str
    line: int
    excerpt: str

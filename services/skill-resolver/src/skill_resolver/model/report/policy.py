"""What a finding asks of a launch; an operator can change it by a file.

[severity]                 # another severity for a rule
remote-shell = "critical"
[verdict]                  # what a severity leads to: clear, confirm or block
danger = "confirm"
[skills]                   # single skills by digest
allow = ["sha256:..."]
deny = ["sha256:..."]
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from common.contracts.skills import Severity, Verdict

from skill_resolver.model.report.finding import Finding

_DEFAULT = {
    Severity.INFO: Verdict.CLEAR,
    Severity.WARNING: Verdict.CLEAR,
    Severity.DANGER: Verdict.CONFIRM,
    Severity.CRITICAL: Verdict.BLOCK,
}
_GRAVITY = [Verdict.CLEAR, Verdict.CONFIRM, Verdict.BLOCK]


@dataclass(frozen=True)
class Policy:
    verdicts: Mapping[Severity, Verdict] = field(default_factory=lambda: dict(_DEFAULT))
    severities: Mapping[str, Severity] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()

    def weigh(self, finding: Finding) -> Finding:
        return replace(finding, severity=self.severities.get(finding.rule, finding.severity))

    def verdict(self, digest: str, findings: Iterable[Finding]) -> Verdict:
        """The gravest of what the (weighed) findings lead to, unless the digest is named."""
        if digest in self.denied:
            return Verdict.BLOCK
        if digest in self.allowed:
            return Verdict.CLEAR
        reached = (self.verdicts[finding.severity] for finding in findings)
        return max(reached, key=_GRAVITY.index, default=Verdict.CLEAR)


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """Raises ValueError, KeyError or TypeError for a file that does not say what it should."""
    verdicts = {Severity(k): Verdict(v) for k, v in document.get("verdict", {}).items()}
    skills = document.get("skills", {})
    return Policy(
        verdicts=_DEFAULT | verdicts,
        severities={str(k): Severity(v) for k, v in document.get("severity", {}).items()},
        allowed=frozenset(skills.get("allow", ())),
        denied=frozenset(skills.get("deny", ())),
    )

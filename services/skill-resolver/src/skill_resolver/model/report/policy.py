"""What a finding asks of a launch; an operator can change it by a file.

[severity]                 # another severity for a rule
remote-shell = "critical"
[verdict]                  # what a severity leads to: clear, confirm or block
danger = "confirm"
[skills]                   # single skills by digest
allow = ["sha256:..."]
deny = ["sha256:..."]
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from common.contracts.skills import Severity, Verdict

from skill_resolver.model.report.finding import Finding
from skill_resolver.model.report.meanings import MEANINGS

_DEFAULT = {
    Severity.INFO: Verdict.CLEAR,
    Severity.WARNING: Verdict.CLEAR,
    Severity.DANGER: Verdict.CONFIRM,
    Severity.CRITICAL: Verdict.BLOCK,
}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
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
    """Raises ValueError for a file that does not say what it should, or something unknown."""
    tables = {name: _table(document, name) for name in ("severity", "verdict", "skills")}
    _known("a table", document, tables)
    _known("a rule", tables["severity"], MEANINGS)
    _known("a severity", tables["verdict"], list(Severity))
    _known("a list of skills", tables["skills"], ("allow", "deny"))
    verdicts = {Severity(k): Verdict(v) for k, v in tables["verdict"].items()}
    return Policy(
        verdicts=_DEFAULT | verdicts,
        severities={str(k): Severity(v) for k, v in tables["severity"].items()},
        allowed=_digests(tables["skills"], "allow"),
        denied=_digests(tables["skills"], "deny"),
    )


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, Mapping):
        raise ValueError(f"[{name}] is no table")  # noqa: TRY004 (one error for all that is wrong)
    return table


def _known(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r} is not the name of {kind}")


def _digests(skills: Mapping[str, Any], name: str) -> frozenset[str]:
    digests = skills.get(name, [])
    if not isinstance(digests, list) or not all(map(_DIGEST.fullmatch, map(str, digests))):
        raise ValueError(f"{name} is a list of digests, sha256:... as the report shows them")
    return frozenset(digests)

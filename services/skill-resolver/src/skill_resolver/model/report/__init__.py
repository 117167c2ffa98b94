"""The safety report: what in a skill's files deserves a look before an agent runs with it.

Heuristics, not a boundary: the sandbox is the boundary. A report that cries wolf is worthless, so
the rules look for what a command does (a download piped into a shell, a private key sent away),
not for words; a mention in prose weighs less than a line of a script, and a sentence that warns of
something weighs less than one that asks for it.
"""

from skill_resolver.model.report.finding import Finding
from skill_resolver.model.report.policy import Policy, parse_policy
from skill_resolver.model.report.rules import RULES_VERSION
from skill_resolver.model.report.scan import NOT_SCANNED, scan

__all__ = ["NOT_SCANNED", "RULES_VERSION", "Finding", "Policy", "parse_policy", "scan"]

"""The table of rules, by what they are about."""

from skill_resolver.model.report.rules import agent, code, downloads, machine, secrets
from skill_resolver.model.report.rules.rule import Rule

RULES_VERSION = 4
"""Raised when a rule changes: reports made by another version are made again."""

RULES: tuple[Rule, ...] = (
    *downloads.RULES,
    *secrets.RULES,
    *code.RULES,
    *machine.RULES,
    *agent.RULES,
)

__all__ = ["RULES", "RULES_VERSION", "Rule"]

"""Findings of the model in the words of the wire."""

from collections.abc import Sequence
from datetime import datetime

from common.contracts.skills import (
    Alternate,
    EnvVar,
    Finding,
    RepositorySkills,
    ResolvedSkill,
    SafetyReport,
    SkillFile,
    SkillSummary,
    Verdict,
)

from skill_resolver.model import report
from skill_resolver.model.assembly import Assembly, File
from skill_resolver.model.discovery import Addresses, FoundSkill
from skill_resolver.model.matching import Match, Matcher
from skill_resolver.model.reference import SkillRef
from skill_resolver.model.report.meanings import MEANINGS
from skill_resolver.model.tree import Tree

MAX_LISTED = 3000
_MAX_LISTING = 600 * 1024
_MAX_NAME = 300
_MAX_ALTERNATES = 20
_MAX_DESCRIPTION = 300


def resolved(
    ref: SkillRef, commit: str, match: Match, made: Assembly, at: datetime
) -> ResolvedSkill:
    """The skill as it is stored: without its report, which belongs to the digest."""
    return ResolvedSkill(
        ref="",
        owner=ref.owner,
        repo=ref.repo,
        commit=commit,
        path=match.directory,
        name=made.name,
        description=made.description,
        license=made.license,
        compatibility=made.compatibility,
        metadata=made.metadata,
        digest=made.digest,
        files=[_file(file) for file in made.files],
        linked_files=[_file(file) for file in made.linked_files],
        total_bytes=made.total_bytes,
        env_vars=[
            EnvVar(
                name=variable.name,
                required=variable.required,
                description=variable.description,
                help_url=variable.help_url,
                source=variable.source,
            )
            for variable in made.variables
        ],
        warnings=list(made.warnings),
        report=SafetyReport(verdict=Verdict.CLEAR),
        alternates=[
            Alternate(path=copy.directory, name=copy.name)
            for copy in match.alternates[:_MAX_ALTERNATES]
        ],
        resolved_at=at,
    )


def weighed(found: Sequence[report.Finding], digest: str, policy: report.Policy) -> SafetyReport:
    """The findings and the verdict under an operator's policy."""
    findings = [policy.weigh(finding) for finding in found]
    return SafetyReport(
        verdict=policy.verdict(digest, findings), findings=[_finding(f) for f in findings]
    )


def listing(tree: Tree, ref: SkillRef, commit: str) -> RepositorySkills:
    """The skills to choose from: each name once, its best copy."""
    skills = Matcher(tree, ref).skills
    by_name: dict[str, list[FoundSkill]] = {}
    for skill in skills:
        if skill.is_listed:
            by_name.setdefault(skill.name, []).append(skill)
    addresses = Addresses(ref.owner, ref.repo, ref.ref, skills)
    summaries = [
        SkillSummary(
            ref=addresses.of(copies[0]),
            path=copies[0].directory,
            name=copies[0].name[:_MAX_NAME],
            description=copies[0].description[:_MAX_DESCRIPTION],
            alternates=[copy.directory for copy in copies[1:10]],
        )
        for copies in by_name.values()
    ]
    return RepositorySkills(
        owner=ref.owner,
        repo=ref.repo,
        commit=commit,
        skills=_that_fit(summaries),
        total=len(summaries),
    )


def _that_fit(summaries: Sequence[SkillSummary]) -> list[SkillSummary]:
    """As many as one message carries; shorter descriptions go before fewer skills."""
    for length in (_MAX_DESCRIPTION, 100, 0):
        shorter = [
            summary.model_copy(update={"description": summary.description[:length]})
            for summary in summaries[:MAX_LISTED]
        ]
        if sum(map(_size, shorter)) <= _MAX_LISTING:
            return shorter
    total = 0
    for count, summary in enumerate(shorter):
        total += _size(summary)
        if total > _MAX_LISTING:
            return shorter[:count]
    return shorter


def _size(summary: SkillSummary) -> int:
    return len(summary.model_dump_json().encode()) + 1


def _file(file: File) -> SkillFile:
    return SkillFile(path=file.path, size=file.size, mode=file.mode, sha256=file.sha256)


def _finding(finding: report.Finding) -> Finding:
    return Finding(
        rule=finding.rule,
        meaning=MEANINGS.get(finding.rule, ""),
        severity=finding.severity,
        file=finding.file,
        line=finding.line,
        excerpt=finding.excerpt,
    )

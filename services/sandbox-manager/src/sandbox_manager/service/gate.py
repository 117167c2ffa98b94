"""The gate: what a launch of this skill asks of its owner, wherever the launch comes from."""

from datetime import datetime

from common.contracts.skills import ResolvedSkill, Verdict
from common.errors import ConflictError, ErrorCode, ForbiddenError

from sandbox_manager.ports.stores import Acknowledgements

_MOST_FINDINGS = 50


class Gate:
    def __init__(
        self, acknowledgements: Acknowledgements, *, allowed: frozenset[str] = frozenset()
    ) -> None:
        """`allowed`: digests that the operator lets pass although they are blocked."""
        self._acknowledgements = acknowledgements
        self._allowed = allowed

    async def check(
        self, owner_id: str, skill: ResolvedSkill, acknowledged: str | None, now: datetime
    ) -> None:
        """Raises what stands in the way. An acknowledgement is kept, for this digest alone."""
        match skill.report.verdict:
            case Verdict.CLEAR:
                return
            case Verdict.BLOCK:
                if skill.digest not in self._allowed:
                    message = "the safety check blocks this skill: it does not run here"
                    raise ForbiddenError(
                        message,
                        code=ErrorCode.SKILL_BLOCKED,
                        extra=_findings(skill),
                    )
            case Verdict.CONFIRM:
                pass
        if acknowledged == skill.digest:
            await self._acknowledgements.add(owner_id, skill.digest, now)
        elif not await self._acknowledgements.has(owner_id, skill.digest):
            message = "the safety report has findings; look at them and accept the report first"
            raise ConflictError(
                message,
                code=ErrorCode.REPORT_NOT_ACKNOWLEDGED,
                extra=_findings(skill),
            )


def _findings(skill: ResolvedSkill) -> dict[str, object]:
    findings = skill.report.findings[:_MOST_FINDINGS]
    return {
        "digest": skill.digest,
        "verdict": skill.report.verdict.value,
        "findings": [finding.model_dump(mode="json") for finding in findings],
    }

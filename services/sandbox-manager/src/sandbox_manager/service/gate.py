"""The gate: what a launch or a turn with this skill asks of its owner, wherever it comes from.

What the operator blocks or drains is asked of the store each time, so it counts from the moment it
is written, in every process; without an answer nothing passes. A blocked skill stays outside
whatever a policy allows or an owner has accepted.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from common.clock import Clock
from common.contracts.sandbox import LaunchSkill
from common.contracts.skills import ResolvedSkill, Verdict
from common.errors import ConflictError, ErrorCode, ForbiddenError, UnavailableError

from sandbox_manager.model.restriction import Restriction, first_block, owner_keys, skill_keys
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.stores import Acknowledgements, Restrictions

_MOST_FINDINGS = 50
_LOOK_AGAIN = timedelta(minutes=5)


class Gate:
    def __init__(
        self,
        acknowledgements: Acknowledgements,
        restrictions: Restrictions,
        clock: Clock,
        *,
        allowed: frozenset[str] = frozenset(),
    ) -> None:
        """`allowed`: digests that the operator lets pass although the safety check blocks them."""
        self._acknowledgements = acknowledgements
        self._restrictions = restrictions
        self._clock = clock
        self._allowed = allowed

    async def check(
        self, owner_id: str, skill: ResolvedSkill, acknowledged: str | None, now: datetime
    ) -> None:
        """Raises what stands in the way. An acknowledgement is kept, for this digest alone."""
        standing = await self._restrictions.standing((*owner_keys(owner_id), *skill_keys(skill)))
        self._refuse(standing)
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

    async def check_going_on(self, skill: LaunchSkill) -> None:
        """For what began before: a drain lets it end, a block does not."""
        self._refuse(await self._restrictions.standing(skill_keys(skill)))

    async def check_turn(
        self, sandbox: Sandbox, skill: LaunchSkill | None, *, goes_on: bool = False
    ) -> tuple[LaunchSkill, ...]:
        """Raises when no turn with this skill may begin, or go on; without a skill it is a raw
        call of the agent. The answer are blocked skills that lie in the sandbox, where its agent
        could find them: they have to be taken out before.
        """
        inside = [installed.skill for installed in sandbox.skills.values()]
        asked = [*inside, skill] if skill is not None else inside
        keys = {key for one in asked for key in skill_keys(one)}
        standing = await self._restrictions.standing(
            (*owner_keys(sandbox.owner_id), *sorted(keys))
        )
        of_this = () if skill is None else skill_keys(skill)
        self._refuse(
            one for one in standing if (one.key in of_this if one.is_block else not goes_on)
        )
        return tuple(one for one in inside if first_block(standing, one) is not None)

    def _refuse(self, standing: Iterable[Restriction]) -> None:
        """A block first: it says that waiting will not help."""
        for restriction in sorted(standing, key=lambda one: not one.is_block):
            if restriction.is_block:
                raise ForbiddenError(
                    f"the operator blocks this skill: {restriction.reason}",
                    code=ErrorCode.SKILL_BLOCKED,
                    extra={"blocked": restriction.kind.value, "what": restriction.what},
                )
            raise UnavailableError(
                f"nothing new begins here at the moment: {restriction.reason}",
                code=ErrorCode.DRAINING,
                retry_at=self._clock() + _LOOK_AGAIN,
            )


def _findings(skill: ResolvedSkill) -> dict[str, object]:
    findings = skill.report.findings[:_MOST_FINDINGS]
    return {
        "digest": skill.digest,
        "verdict": skill.report.verdict.value,
        "findings": [finding.model_dump(mode="json") for finding in findings],
    }

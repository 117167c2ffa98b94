"""Other services, keys of the deployment, a journal, a killer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from common.contracts.keys import OwnerSettings
from common.contracts.sandbox import LaunchEntry
from common.contracts.skills import Finding, ResolvedSkill, SafetyReport, Severity, Verdict
from common.digest import skill_digest
from common.errors import ErrorCode, NotFoundError
from sandbox_fakes.inside import tar
from sandbox_manager.model.account import AccountKey
from sandbox_manager.model.variables import StoredVariable
from sandbox_manager.ports.own import Sealer, Signer, StepProbe
from sandbox_manager.ports.services import Entered, Keys, LaunchJournal, RevealPurpose, Skills


class FakeSkills(Skills):
    def __init__(self) -> None:
        self.known: dict[str, ResolvedSkill] = {}
        self.older: dict[str, ResolvedSkill] = {}
        self.bundles: dict[str, bytes] = {}

    def add(
        self, ref: str, text: str = "", verdict: Verdict = Verdict.CLEAR, **more: object
    ) -> ResolvedSkill:
        """The skill that `ref` means from now on; what it meant before is still known."""
        owner, repo, path = ref.split("/", 2)
        files = [("SKILL.md", 0o644, f"{ref} {text}".encode())]
        finding = Finding(rule="r", severity=Severity.WARNING, file="SKILL.md", line=1, excerpt="")
        skill = ResolvedSkill.model_validate(
            {
                "ref": ref,
                "owner": owner,
                "repo": repo,
                "commit": "c" * 40,
                "path": path,
                "name": path,
                "description": "",
                "digest": skill_digest(files),
                "files": [],
                "total_bytes": 1,
                "report": SafetyReport(verdict=verdict, findings=[finding]),
                "resolved_at": datetime(2026, 1, 1).astimezone(),
                **more,
            }
        )
        self.known[ref] = skill
        self.older[skill.digest] = skill
        self.bundles[skill.digest] = tar(files)
        return skill

    async def resolve(self, ref: str) -> ResolvedSkill:
        if ref not in self.known:
            raise NotFoundError("no such skill", code=ErrorCode.SKILL_NOT_FOUND)
        return self.known[ref]

    async def get(self, digest: str) -> ResolvedSkill:
        if digest not in self.older:
            raise NotFoundError("no such digest", code=ErrorCode.SKILL_NOT_FOUND)
        return self.older[digest]

    async def bundle(self, digest: str) -> bytes:
        return self.bundles[digest]


@dataclass
class FakeKeys(Keys):
    chosen: OwnerSettings = field(
        default_factory=lambda: OwnerSettings(provider="demo", model="demo")
    )
    values: dict[tuple[str, str], tuple[StoredVariable, str]] = field(default_factory=dict)
    account: tuple[AccountKey, str] | None = None
    revealed: list[str] = field(default_factory=list)

    def enter(self, name: str, skill: str, value: str, at: datetime) -> None:
        version = self.values[name, skill][0].version + 1 if (name, skill) in self.values else 1
        self.values[name, skill] = (StoredVariable(name, skill, None, version, at), value)

    def enter_account(self, key: str, at: datetime) -> None:
        version = self.account[0].version + 1 if self.account else 1
        self.account = (AccountKey(version, at), key)

    async def settings(self, owner_id: str) -> OwnerSettings:
        return self.chosen

    async def entered(self, owner_id: str) -> Entered:
        variables = tuple(variable for variable, _ in self.values.values())
        return Entered(variables, self.account[0] if self.account else None)

    async def reveal(
        self, owner_id: str, variable: StoredVariable, purpose: RevealPurpose = "skill_variable"
    ) -> str:
        self.revealed.append(variable.name)
        return self.values[variable.name, variable.skill][1]

    async def reveal_account(self, owner_id: str) -> str:
        self.revealed.append("DAYTONA_API_KEY")
        assert self.account is not None
        return self.account[1]


class FakeSealer(Sealer):
    def seal(self, text: str, *, owner_id: str, field: str) -> str:
        return f"{owner_id}|{field}|{text}"

    def open(self, sealed: str, *, owner_id: str, field: str) -> str:
        assert sealed.startswith(f"{owner_id}|{field}|")
        return sealed.split("|", 2)[2]


class FakeSigner(Signer):
    public_key = "public"

    def sign(self, content: bytes) -> str:
        return f"signed {hash(content)}"


@dataclass
class FakeJournal(LaunchJournal):
    told: dict[str, list[LaunchEntry]] = field(default_factory=dict)

    async def publish(self, launch_id: str, entries: Sequence[LaunchEntry]) -> None:
        self.told.setdefault(launch_id, []).extend(entries)


class KilledError(BaseException):
    """The process ends here, as by SIGKILL: nothing after this line runs."""


@dataclass
class KillingProbe(StepProbe):
    """Kills the worker at one step, once."""

    at_step: tuple[str, str] | None = None
    seen: list[tuple[str, str]] = field(default_factory=list)

    async def at(self, step: str, moment: str) -> None:
        self.seen.append((step, moment))
        if self.at_step == (step, moment):
            self.at_step = None
            raise KilledError

"""The ports of sandbox-manager in memory, and every use case over them."""

import asyncio
import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
from common.contracts.events import OutgoingEvent
from common.contracts.keys import OwnerSettings
from common.contracts.sandbox import LaunchEntry, LaunchSkill, StartLaunch
from common.contracts.skills import EnvVar, Finding, ResolvedSkill, SafetyReport, Severity, Verdict
from common.digest import skill_digest
from common.errors import ErrorCode, NotFoundError
from common.ids import new_id
from common.testing.fakes import StoppedClock
from sandbox_manager.errors import (
    LostAnswerError,
    NameTakenError,
    SandboxGoneError,
    SandboxStoppedError,
    SnapshotMissingError,
)
from sandbox_manager.model.config import OWN_FILES, ModelLimits
from sandbox_manager.model.launch import AskedBy, Launch
from sandbox_manager.model.provided import ProvidedSandbox, ProvidedState
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.model.variables import StoredVariable
from sandbox_manager.ports.inside import Agents, Inside, Look
from sandbox_manager.ports.own import Sealer, Signer, StepProbe
from sandbox_manager.ports.provider import Retention, SandboxOrder, SandboxProvider, Source
from sandbox_manager.ports.services import Keys, LaunchJournal, Skills
from sandbox_manager.ports.stores import (
    Acknowledgements,
    LaunchChange,
    Launches,
    Orphans,
    SandboxChange,
    Sandboxes,
)
from sandbox_manager.service.background import Background
from sandbox_manager.service.caring import AgentCare
from sandbox_manager.service.configuring import Configs
from sandbox_manager.service.creating import CreatePolicy, Creation
from sandbox_manager.service.desk import Records
from sandbox_manager.service.driving import LaunchDriver
from sandbox_manager.service.erasing import Erasing
from sandbox_manager.service.gate import Gate
from sandbox_manager.service.installing import Installation
from sandbox_manager.service.launching import Launching
from sandbox_manager.service.lending import Lending
from sandbox_manager.service.pool import Pool
from sandbox_manager.service.preparing import Preparation
from sandbox_manager.service.receipts import Receipts
from sandbox_manager.service.reconciling import Reconciliation
from sandbox_manager.service.removing import Removal
from sandbox_manager.service.takeover import Takeover

SNAPSHOT = "hermes-snapshot"
OWNER = "own_" + "a" * 20


@dataclass
class FakeProvider(SandboxProvider):
    """Sandboxes in memory. `faults` are raised by the named calls, once each; one under
    `after:<call>` when the call has been done, as a lost answer is.
    """

    machines: dict[str, ProvidedSandbox] = field(default_factory=dict)
    faults: list[tuple[str, Exception]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    made: int = 0
    orders: list[SandboxOrder] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    answers: asyncio.Event | None = None
    """Where one is given, a create waits for it: a provider that takes long."""
    on_stop: Callable[[str], None] = lambda _: None

    async def create(self, order: SandboxOrder) -> ProvidedSandbox:
        self._enter("create")
        self.orders.append(order)
        if self.answers is not None:
            await self.answers.wait()
        if order.image in self.missing:
            raise SnapshotMissingError(f"{order.image} not found")
        if any(machine.name == order.name for machine in self.machines.values()):
            raise NameTakenError("there is one of that name")
        self.made += 1
        made = ProvidedSandbox(
            f"box-{self.made}", order.name, ProvidedState.STARTED, dict(order.labels)
        )
        self.machines[made.id] = made
        self._leave("create")
        return made

    async def find(self, id_or_name: str) -> ProvidedSandbox | None:
        self._enter("find")
        found = [m for m in self.machines.values() if id_or_name in (m.id, m.name)]
        return found[0] if found else None

    async def list(self, labels: Mapping[str, str]) -> Sequence[ProvidedSandbox]:
        self._enter("list")
        return [
            machine
            for machine in self.machines.values()
            if labels.items() <= machine.labels.items() and machine.id not in self.hidden
        ]

    async def start(self, sandbox_id: str) -> None:
        self._enter("start")
        self.put(sandbox_id, ProvidedState.STARTED)
        self._leave("start")

    async def stop(self, sandbox_id: str) -> None:
        self._enter("stop")
        self.put(sandbox_id, ProvidedState.STOPPED)
        self.on_stop(sandbox_id)
        self._leave("stop")

    async def delete(self, sandbox_id: str) -> None:
        self._enter("delete")
        self.machines.pop(sandbox_id, None)
        self.on_stop(sandbox_id)
        self._leave("delete")

    async def refresh_activity(self, sandbox_id: str) -> None:
        self._enter("refresh_activity")

    async def sign_preview(self, sandbox_id: str, port: int, ttl: timedelta) -> str:
        self._enter("sign_preview")
        self.check_running(sandbox_id)
        return f"http://{port}-{sandbox_id}.proxy.localhost:1"

    def put(self, sandbox_id: str, state: ProvidedState) -> None:
        known = self.machines.get(sandbox_id)
        if known is None:
            raise SandboxGoneError("gone")
        self.machines[sandbox_id] = ProvidedSandbox(known.id, known.name, state, known.labels)

    def check_running(self, sandbox_id: str) -> None:
        if sandbox_id not in self.machines:
            raise SandboxGoneError("gone")
        if self.machines[sandbox_id].state is not ProvidedState.STARTED:
            raise SandboxStoppedError("not running")

    def _enter(self, call: str) -> None:
        self.calls.append(call)
        self._raise(call)

    def _leave(self, call: str) -> None:
        self._raise(f"after:{call}")

    def _raise(self, when: str) -> None:
        for number, (call, error) in enumerate(self.faults):
            if call == when:
                del self.faults[number]
                raise error


@dataclass
class FakeInside(Inside):
    """The insides of the provider's sandboxes: files, skills, processes."""

    provider: FakeProvider
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    skills: dict[tuple[str, str], str | None] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    raws: set[str] = field(default_factory=set)
    workspaces: set[tuple[str, str]] = field(default_factory=set)
    faults: list[tuple[str, Exception]] = field(default_factory=list)
    starts: int = 0
    garbles: bool = False

    def __post_init__(self) -> None:
        self.provider.on_stop = self.died

    def died(self, sandbox_id: str) -> None:
        self.agents.pop(sandbox_id, None)
        self.raws.discard(sandbox_id)

    async def configure(self, sandbox_id: str, files: Mapping[str, str]) -> None:
        self._enter(sandbox_id, "configure")
        self.files |= {(sandbox_id, path): text for path, text in files.items()}

    async def open_process(self, sandbox_id: str) -> str:
        self._enter(sandbox_id, "open_process")
        return new_id("prc")

    async def start_process(
        self, sandbox_id: str, process: str, name: str, command: Sequence[str]
    ) -> None:
        self._enter(sandbox_id, "start_process")
        self.starts += 1
        if name == "agent":
            self.agents[sandbox_id] = self.files[sandbox_id, f"{OWN_FILES}/agent.env"]
        else:
            self.raws.add(sandbox_id)

    async def end_process(self, sandbox_id: str, process: str) -> None:
        self._enter(sandbox_id, "end_process")

    async def install(self, sandbox_id: str, skill: LaunchSkill, bundle: bytes) -> str | None:
        self._enter(sandbox_id, "install")
        found = "sha256:" + "0" * 64 if self.garbles else bundle_digest(bundle)
        if found == skill.digest:
            self.skills[sandbox_id, skill.directory] = found
        return found

    async def remove(self, sandbox_id: str, directory: str) -> None:
        self._enter(sandbox_id, "remove")
        self.skills.pop((sandbox_id, directory), None)

    async def look(self, sandbox_id: str, *, directory: str | None, workspace: str | None) -> Look:
        self._enter(sandbox_id, "look")
        if workspace:
            self.workspaces.add((sandbox_id, workspace))
        found = self.skills.get((sandbox_id, directory)) if directory else None
        return Look(found, sandbox_id in self.agents)

    async def set_up(self, sandbox_id: str, hermes: str) -> None:
        self._enter(sandbox_id, "set_up")

    def _enter(self, sandbox_id: str, call: str) -> None:
        self.provider.calls.append(call)
        self.provider.check_running(sandbox_id)
        for number, (name, error) in enumerate(self.faults):
            if name == call:
                del self.faults[number]
                raise error


@dataclass
class FakeAgents(Agents):
    inside: FakeInside
    is_frozen: bool = False

    async def is_agent_up(self, url: str, token: str, *, within: timedelta) -> bool:
        running = self.inside.agents.get(_sandbox_of(url), "")
        return token in running and not self.is_frozen

    async def is_raw_up(self, url: str, key: str, *, within: timedelta) -> bool:
        return _sandbox_of(url) in self.inside.raws


def _sandbox_of(url: str) -> str:
    return (urlsplit(url).hostname or "").split(".")[0].partition("-")[2]


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


def tar(files: Sequence[tuple[str, int, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, mode, content in files:
            member = tarfile.TarInfo(path)
            member.mode, member.size = mode, len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def bundle_digest(bundle: bytes) -> str:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
        return skill_digest(
            [(m.name, m.mode, archive.extractfile(m).read()) for m in archive]  # type: ignore[union-attr]
        )


@dataclass
class FakeKeys(Keys):
    chosen: OwnerSettings = field(
        default_factory=lambda: OwnerSettings(provider="demo", model="demo")
    )
    entered: dict[tuple[str, str], tuple[StoredVariable, str]] = field(default_factory=dict)
    revealed: list[str] = field(default_factory=list)

    def enter(self, name: str, skill: str, value: str, at: datetime) -> None:
        version = self.entered[name, skill][0].version + 1 if (name, skill) in self.entered else 1
        self.entered[name, skill] = (StoredVariable(name, skill, None, version, at), value)

    async def settings(self, owner_id: str) -> OwnerSettings:
        return self.chosen

    async def variables(self, owner_id: str) -> Sequence[StoredVariable]:
        return [variable for variable, _ in self.entered.values()]

    async def reveal(self, owner_id: str, variable: StoredVariable) -> str:
        self.revealed.append(variable.name)
        return self.entered[variable.name, variable.skill][1]


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
class FakeSandboxes(Sandboxes):
    stored: dict[str, Sandbox] = field(default_factory=dict)
    events: list[OutgoingEvent] = field(default_factory=list)

    async def get(self, owner_id: str) -> Sandbox:
        return self.stored.get(owner_id, Sandbox(owner_id=owner_id))

    async def apply(
        self,
        owner_id: str,
        change: SandboxChange,
        *,
        known: Sandbox | None = None,
        event: OutgoingEvent | None = None,
    ) -> Sandbox | None:
        current = await self.get(owner_id)
        changed = change(current)
        if changed is None:
            return None
        changed = Sandbox.model_validate(
            {**changed.model_dump(), "revision": current.revision + 1}
        )
        self.stored[owner_id] = changed
        self.events += [event] if event else []
        return changed

    async def by_relay_token(self, sha256: str) -> Sandbox | None:
        found = [box for box in self.stored.values() if sha256 in box.relay_tokens]
        return found[0] if found else None

    async def existing(self) -> Sequence[Sandbox]:
        return [box for box in self.stored.values() if box.state != "absent"]

    async def count_existing(self) -> int:
        return len(await self.existing())

    async def forget(self, owner_id: str) -> bool:
        self.stored.pop(owner_id, None)
        return True


@dataclass
class FakeLaunches(Launches):
    stored: dict[str, Launch] = field(default_factory=dict)
    events: list[OutgoingEvent] = field(default_factory=list)

    async def add(self, launch: Launch, *, events: Sequence[OutgoingEvent]) -> Launch | None:
        keys = {asked.key for asked in launch.asked_by}
        for other in self.stored.values():
            if other.running_key == launch.running_key or keys & {a.key for a in other.asked_by}:
                return None
        self.stored[launch.id] = launch
        self.events += events
        return launch

    async def get(self, launch_id: str) -> Launch | None:
        return self.stored.get(launch_id)

    async def running(self, running_key: str) -> Launch | None:
        return next((la for la in self.stored.values() if la.running_key == running_key), None)

    async def asked(self, asked: AskedBy) -> Launch | None:
        for launch in self.stored.values():
            if any(known.key == asked.key for known in launch.asked_by):
                return launch
        return None

    async def apply(
        self,
        launch_id: str,
        change: LaunchChange,
        *,
        known: Launch | None = None,
        events: Sequence[OutgoingEvent] = (),
    ) -> Launch | None:
        current = self.stored.get(launch_id)
        changed = change(current) if current else None
        if current is None or changed is None:
            return None
        self.stored[launch_id] = changed.model_copy(update={"revision": current.revision + 1})
        self.events += events
        return self.stored[launch_id]

    async def due(self, now: datetime, limit: int) -> Sequence[Launch]:
        return [launch for launch in self.stored.values() if launch.is_due(now)][:limit]

    async def count_running(self, owner_id: str) -> int:
        keys = [launch.running_key for launch in self.stored.values()]
        return sum(key.startswith(f"{owner_id}:") for key in keys)

    async def newest(self, owner_id: str, limit: int) -> Sequence[Launch]:
        mine = [launch for launch in self.stored.values() if launch.owner_id == owner_id]
        return sorted(mine, key=lambda launch: launch.created_at, reverse=True)[:limit]

    async def forget(self, owner_id: str) -> bool:
        self.stored = {k: la for k, la in self.stored.items() if la.owner_id != owner_id}
        return True


@dataclass
class FakeAcknowledgements(Acknowledgements):
    stored: set[tuple[str, str]] = field(default_factory=set)

    async def add(self, owner_id: str, digest: str, now: datetime) -> None:
        self.stored.add((owner_id, digest))

    async def has(self, owner_id: str, digest: str) -> bool:
        return (owner_id, digest) in self.stored

    async def forget(self, owner_id: str) -> None:
        self.stored = {pair for pair in self.stored if pair[0] != owner_id}


@dataclass
class FakeOrphans(Orphans):
    since: dict[str, datetime] = field(default_factory=dict)

    async def seen(self, sandbox_id: str, now: datetime) -> datetime:
        return self.since.setdefault(sandbox_id, now)

    async def forget_others(self, sandbox_ids: Sequence[str]) -> None:
        self.since = {k: at for k, at in self.since.items() if k in sandbox_ids}


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


class World:
    """Every use case over the same fakes, which are open to a test; the clock moves in sleeps."""

    def __init__(self) -> None:
        self.clock = StoppedClock()
        self.provider = FakeProvider()
        self.inside = FakeInside(self.provider)
        self.agents = FakeAgents(self.inside)
        self.skills = FakeSkills()
        self.keys = FakeKeys()
        self.sandboxes = FakeSandboxes()
        self.launches = FakeLaunches()
        self.acknowledgements = FakeAcknowledgements()
        self.orphans = FakeOrphans()
        self.journal = FakeJournal()
        self.probe = KillingProbe()
        self.background = Background()
        self.sources = [(Source.SNAPSHOT, SNAPSHOT)]
        self.owner = OWNER
        self.receipts = Receipts("hermes-agent==0", FakeSigner())
        self._wire()

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)

    def _wire(self) -> None:
        limits = ModelLimits(131_072, 8_192)
        configs = Configs(
            self.keys, secret=b"k" * 32, relay_url="http://relay.test:8090", limits=limits
        )
        self.preparation = Preparation(
            provider=self.provider,
            inside=self.inside,
            agents=self.agents,
            skills=self.skills,
            configs=configs,
            sealer=FakeSealer(),
            clock=self.clock,
            agent_start=timedelta(seconds=30),
            sleep=self.sleep,
        )
        care = AgentCare(
            provider=self.provider,
            inside=self.inside,
            sandboxes=self.sandboxes,
            preparation=self.preparation,
            clock=self.clock,
        )
        self.removal = Removal(
            provider=self.provider, sandboxes=self.sandboxes, clock=self.clock, sleep=self.sleep
        )
        policy = CreatePolicy(
            deployment_id="test",
            sources=self.sources,
            retention=Retention(timedelta(minutes=30), timedelta(days=2), timedelta(days=7)),
            most_sandboxes=10,
            hermes="hermes-agent==0",
        )
        self.creation = Creation(
            provider=self.provider,
            inside=self.inside,
            sandboxes=self.sandboxes,
            preparation=self.preparation,
            policy=policy,
        )
        self.driver = LaunchDriver(
            records=Records(self.launches, self.sandboxes, self.journal),
            provider=self.provider,
            configs=configs,
            preparation=self.preparation,
            creation=self.creation,
            installation=Installation(preparation=self.preparation, configs=configs, care=care),
            removal=self.removal,
            receipts=self.receipts,
            clock=self.clock,
            probe=self.probe,
            sleep=self.sleep,
        )
        self.pool = Pool(
            sandboxes=self.sandboxes,
            provider=self.provider,
            inside=self.inside,
            removal=self.removal,
            background=self.background,
            tab_limit=timedelta(hours=4),
            clock=self.clock,
        )
        self.launching = self._launching(configs)
        self.lending = Lending(
            sandboxes=self.sandboxes,
            inside=self.inside,
            preparation=self.preparation,
            configs=configs,
            care=care,
            pool=self.pool,
            most_leases=3,
            clock=self.clock,
            sleep=self.sleep,
        )
        self.takeover = Takeover(
            worker="second",
            launches=self.launches,
            sandboxes=self.sandboxes,
            driver=self.driver,
            removal=self.removal,
            background=self.background,
            clock=self.clock,
        )
        self.reconciliation = Reconciliation(
            deployment_id="test",
            provider=self.provider,
            sandboxes=self.sandboxes,
            orphans=self.orphans,
            sealer=FakeSealer(),
            removal=self.removal,
            grace=timedelta(minutes=5),
            clock=self.clock,
        )
        self.erasing = Erasing(
            sandboxes=self.sandboxes,
            launches=self.launches,
            acknowledgements=self.acknowledgements,
            removal=self.removal,
            clock=self.clock,
        )

    def _launching(self, configs: Configs) -> Launching:
        return Launching(
            worker="first",
            launches=self.launches,
            sandboxes=self.sandboxes,
            skills=self.skills,
            journal=self.journal,
            configs=configs,
            preparation=self.preparation,
            gate=Gate(self.acknowledgements),
            driver=self.driver,
            background=self.background,
            most_launches=3,
            receipts=self.receipts,
            clock=self.clock,
        )

    async def start(self, ref: str, **more: object) -> Launch:
        """Begin a launch and let what runs in the background run."""
        request = {"owner_id": self.owner, "ref": ref, **more}
        return await self.launching.start(StartLaunch.model_validate(request))

    async def launch(self, ref: str, **more: object) -> Launch:
        """A launch, driven to its end."""
        begun = await self.start(ref, **more)
        await self.background.idle()
        return self.launches.stored[begun.id]

    async def ready(self, ref: str = "acme/tools/pdf") -> Launch:
        """A sandbox with this skill in it."""
        if ref not in self.skills.known:
            self.skills.add(ref)
        launch = await self.launch(ref)
        assert launch.state == "ready", launch.error
        return launch

    @property
    def sandbox(self) -> Sandbox:
        return self.sandboxes.stored[self.owner]

    def variable(self, name: str, *, required: bool = True) -> EnvVar:
        return EnvVar(name=name, required=required, source="front matter")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def lost_answer() -> LostAnswerError:
    return LostAnswerError("no answer")

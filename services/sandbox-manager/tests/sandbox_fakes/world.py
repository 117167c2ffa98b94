"""Every use case over the fakes."""

import asyncio
from datetime import timedelta

from common.contracts.sandbox import StartLaunch
from common.contracts.skills import EnvVar
from common.ids import new_id
from common.testing.fakes import StoppedClock
from sandbox_fakes.inside import FakeAgents, FakeInside
from sandbox_fakes.provider import FakeProvider
from sandbox_fakes.services import (
    FakeJournal,
    FakeKeys,
    FakeSealer,
    FakeSigner,
    FakeSkills,
    KillingProbe,
)
from sandbox_fakes.stores import (
    FakeAccounts,
    FakeAcknowledgements,
    FakeDeeds,
    FakeLaunches,
    FakeOrphans,
    FakeRestrictions,
    FakeSandboxes,
    FakeSnapshotPointer,
)
from sandbox_manager.model.config import ModelLimits
from sandbox_manager.model.idle import IdlePolicy
from sandbox_manager.model.launch import Launch
from sandbox_manager.model.record import UseLease
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.ports.provider import Retention, Source
from sandbox_manager.service.accounts import OwnAccounts
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
from sandbox_manager.service.moving import Moving
from sandbox_manager.service.operating import Operating
from sandbox_manager.service.overdue import Overdue
from sandbox_manager.service.pool import Pool
from sandbox_manager.service.preparing import Preparation
from sandbox_manager.service.readying import Readying
from sandbox_manager.service.receipts import Receipts
from sandbox_manager.service.reconciling import Reconciliation
from sandbox_manager.service.removing import Removal
from sandbox_manager.service.stopping import Stopping
from sandbox_manager.service.surveying import Surveying
from sandbox_manager.service.takeover import Takeover

SNAPSHOT = "hermes-snapshot"
OWNER = "own_" + "a" * 20


class World:
    """Every use case over the same fakes, which are open to a test; the clock moves in sleeps."""

    def __init__(self, *, is_relay_public: bool = True) -> None:
        self.is_relay_public = is_relay_public
        self.clock = StoppedClock()
        self.provider = FakeProvider()
        self.inside = FakeInside(self.provider)
        self.agents = FakeAgents(self.inside)
        self.skills = FakeSkills()
        self.keys = FakeKeys()
        self.sandboxes = FakeSandboxes()
        self.launches = FakeLaunches()
        self.accounts = FakeAccounts()
        self.acknowledgements = FakeAcknowledgements()
        self.restrictions = FakeRestrictions()
        self.deeds = FakeDeeds()
        self.orphans = FakeOrphans()
        self.pointer = FakeSnapshotPointer()
        self.journal = FakeJournal()
        self.probe = KillingProbe()
        self.background = Background()
        self.sources = [(Source.SNAPSHOT, SNAPSHOT)]
        self.owner = OWNER
        self.receipts = Receipts(FakeSigner())
        self.idle = IdlePolicy(stop_after=timedelta(minutes=30), tab_limit=timedelta(hours=4))
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
            sleep=self.sleep,
        )
        self.removal = Removal(
            provider=self.provider,
            sandboxes=self.sandboxes,
            clock=self.clock,
            probe=self.probe,
            sleep=self.sleep,
        )
        own = OwnAccounts(
            keys=self.keys,
            accounts=self.accounts,
            sealer=FakeSealer(),
            secret=b"k" * 32,
            is_relay_public=self.is_relay_public,
            clock=self.clock,
        )
        stopping = Stopping(self.provider, self.sandboxes, self.clock, self.probe)
        policy = CreatePolicy(
            deployment_id="test",
            sources=self.sources,
            retention=Retention(timedelta(minutes=30), timedelta(days=2), timedelta(days=7)),
            most_sandboxes=10,
            hermes="hermes-agent==0",
        )
        self.gate = Gate(self.acknowledgements, self.restrictions, self.clock)
        self.creation = Creation(
            provider=self.provider,
            inside=self.inside,
            sandboxes=self.sandboxes,
            preparation=self.preparation,
            policy=policy,
            pointer=self.pointer,
            own=own,
        )
        self.driver = LaunchDriver(
            records=Records(self.launches, self.sandboxes, self.journal),
            provider=self.provider,
            gate=self.gate,
            configs=configs,
            preparation=self.preparation,
            creation=self.creation,
            installation=Installation(preparation=self.preparation, configs=configs, care=care),
            moving=Moving(own, self.provider, self.removal, self.clock),
            removal=self.removal,
            receipts=self.receipts,
            creates=asyncio.Semaphore(2),
            clock=self.clock,
            probe=self.probe,
            sleep=self.sleep,
        )
        self.pool = Pool(
            sandboxes=self.sandboxes,
            provider=self.provider,
            inside=self.inside,
            care=care,
            configs=configs,
            stopping=stopping,
            removal=self.removal,
            background=self.background,
            idle=self.idle,
            clock=self.clock,
        )
        self.launching = self._launching(configs)
        self.lending = Lending(
            sandboxes=self.sandboxes,
            inside=self.inside,
            preparation=self.preparation,
            care=care,
            readying=Readying(
                self.sandboxes, self.preparation, configs, care, self.clock, self.sleep
            ),
            pool=self.pool,
            gate=self.gate,
            most_leases=3,
            clock=self.clock,
        )
        self.overdue = Overdue("second", self.launches, self.sandboxes, self.removal, self.clock)
        self.takeover = Takeover(
            worker="second",
            launches=self.launches,
            driver=self.driver,
            overdue=self.overdue,
            background=self.background,
            clock=self.clock,
        )
        self.surveying = Surveying(
            deployment_id="test",
            provider=self.provider,
            sandboxes=self.sandboxes,
            orphans=self.orphans,
            overdue=self.overdue,
            idle=self.idle,
            grace=timedelta(minutes=5),
            clock=self.clock,
        )
        self.reconciliation = Reconciliation(
            provider=self.provider,
            sandboxes=self.sandboxes,
            orphans=self.orphans,
            accounts=self.accounts,
            sealer=FakeSealer(),
            removal=self.removal,
            stopping=stopping,
            overdue=self.overdue,
            idle=self.idle,
            clock=self.clock,
        )
        self.erasing = Erasing(
            sandboxes=self.sandboxes,
            launches=self.launches,
            acknowledgements=self.acknowledgements,
            accounts=self.accounts,
            removal=self.removal,
        )

        self.operating = Operating(
            sandboxes=self.sandboxes,
            launches=self.launches,
            restrictions=self.restrictions,
            deeds=self.deeds,
            surveying=self.surveying,
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
            gate=self.gate,
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

    def lease(self, period: timedelta) -> UseLease:
        return UseLease(id=new_id("use"), until=self.clock() + period)

    @property
    def sandbox(self) -> Sandbox:
        return self.sandboxes.stored[self.owner]

    def variable(self, name: str, *, required: bool = True) -> EnvVar:
        return EnvVar(name=name, required=required, source="front matter")

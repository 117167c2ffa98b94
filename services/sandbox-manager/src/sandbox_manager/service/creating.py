"""The create path: one sandbox, made once, whatever answers are lost on the way."""

import hashlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from common.contracts.events import SANDBOX_CREATED, OutgoingEvent, SandboxChanged
from common.contracts.sandbox import PhaseName, SandboxState

from sandbox_manager.errors import (
    AgentLostError,
    CreateFailedError,
    LostAnswerError,
    NameTakenError,
    QuotaExceededError,
    SnapshotMissingError,
)
from sandbox_manager.model.account import OPERATORS, placed
from sandbox_manager.model.directory import slot
from sandbox_manager.model.plan import AGENT_PORT
from sandbox_manager.model.provided import (
    CREATE_LABEL,
    DEPLOYMENT_LABEL,
    IMAGE_LABEL,
    OWNER_LABEL,
    SOURCE_LABEL,
    ProvidedSandbox,
    ProvidedState,
)
from sandbox_manager.model.record import Installed
from sandbox_manager.model.sandbox import Sandbox
from sandbox_manager.model.steps import Step
from sandbox_manager.ports.inside import Inside
from sandbox_manager.ports.provider import Retention, SandboxOrder, SandboxProvider, Source
from sandbox_manager.ports.stores import Sandboxes, SnapshotPointer
from sandbox_manager.service.accounts import OwnAccounts
from sandbox_manager.service.configuring import OwnerFacts, Wanted
from sandbox_manager.service.desk import Desk, together
from sandbox_manager.service.preparing import Changes, Preparation, RelayToken

logger = logging.getLogger(__name__)

_SETTLE = timedelta(seconds=60)
_APPEAR = timedelta(seconds=5)
_POLL_S = 0.25


@dataclass(frozen=True)
class CreatePolicy:
    """What sandboxes are made from, for how long, and how many there may be."""

    deployment_id: str
    sources: Sequence[tuple[Source, str]]
    retention: Retention
    most_sandboxes: int
    hermes: str


def provider_name(deployment_id: str, owner_id: str, create_id: str) -> str:
    """The same whichever worker asks, so a repeated create cannot make a second sandbox."""
    deployment = hashlib.sha256(deployment_id.encode()).hexdigest()[:8]
    return f"tryskills-{deployment}-{owner_id.removeprefix('own_')}-{create_id}"


@dataclass(frozen=True)
class Creation:
    provider: SandboxProvider
    inside: Inside
    sandboxes: Sandboxes
    preparation: Preparation
    policy: CreatePolicy
    pointer: SnapshotPointer
    own: OwnAccounts

    async def lock(self, desk: Desk, facts: OwnerFacts) -> Sandbox | None:
        """`acquire_create_lock`: of any number of launches exactly one gets it; None: not this.

        A worker that takes over its launch inherits the lock, and `create_id` and account with it.
        """
        account = await self.own.current(desk.owner_id, facts)
        create_id = secrets.token_hex(6)
        name = provider_name(self.policy.deployment_id, desk.owner_id, create_id)
        now = desk.clock()
        where = {"account": account, "account_stamp": facts.account_stamp}
        return await desk.change_sandbox(
            lambda sandbox: sandbox.lock_for(
                desk.right, create_id=create_id, name=placed(account, name), now=now, **where
            )
        )

    async def check_quota(self, desk: Desk, sandbox: Sandbox) -> None:
        """Whether the sandbox that holds the lock is one too many; counted after it was taken, so
        that no two take the last place. An own account is its owner's to fill.
        """
        most = self.policy.most_sandboxes
        if sandbox.account == OPERATORS and await self.sandboxes.count_before(sandbox) >= most:
            raise QuotaExceededError(
                f"this deployment runs at most {most} sandboxes, and all are taken",
                retry_at=desk.clock() + timedelta(minutes=5),
            )

    async def run(self, desk: Desk, sandbox: Sandbox, wanted: Wanted) -> None:
        """From the lock to an active sandbox with the skill in it."""
        async with desk.phase(PhaseName.CREATE):
            sandbox = await self._provided(desk, sandbox)
            token = RelayToken.mint()
            sandbox = await desk.step(Step.RECORD, lambda: self._record(desk, token))
        results: Changes = {}
        await together(
            self._agent(desk, sandbox, wanted, token, results), self._skill(desk, sandbox, results)
        )
        await desk.step(Step.ACTIVATE, lambda: self._activate(desk, results))

    async def _provided(self, desk: Desk, sandbox: Sandbox) -> Sandbox:
        if sandbox.provider_id is None:
            made, image = await desk.step(Step.PROVIDE, lambda: self._provide(desk, sandbox))
        else:
            found = await self._settled(desk, sandbox.provider_id, _APPEAR)
            if found is None:
                message = "the new sandbox vanished at the provider"
                raise CreateFailedError(message)
            made, image = found, sandbox.image or ""
        changed = await desk.change_sandbox(
            lambda record: record.progressed(
                desk.right,
                desk.clock(),
                provider_id=made.id,
                provider_name=made.name,
                image=image,
                resources=made.resources,
            )
        )
        return _there(changed)

    async def _provide(self, desk: Desk, sandbox: Sandbox) -> tuple[ProvidedSandbox, str]:
        """Look first: the worker before may have asked and died before the answer."""
        name = sandbox.provider_name or ""
        if desk.launch.claim.token > 1:
            found = await self._settled(desk, name, _APPEAR)
            if found is not None:
                await self._set_up(desk, found)
                return found, found.labels.get(IMAGE_LABEL, "")
        for source, image in await self._sources():
            try:
                made = await self._ask(desk, sandbox, source, image)
            except SnapshotMissingError as exc:
                logger.warning("no sandbox from %s %s: %s", source, image, exc.detail)
                await desk.notice(f"The {source} {image} is not available; trying another way.")
                continue
            await self._set_up(desk, made)
            return made, image
        message = (
            "the sandbox provider has neither the snapshot nor an image to make a sandbox from"
        )
        raise CreateFailedError(message)

    async def _sources(self) -> list[tuple[Source, str]]:
        """A snapshot that an operator built takes the place of the one in the settings."""
        built = await self.pointer.current()
        return [
            (source, built if built is not None and source is Source.SNAPSHOT else image)
            for source, image in self.policy.sources
        ]

    async def _set_up(self, desk: Desk, made: ProvidedSandbox) -> None:
        if made.labels.get(SOURCE_LABEL) == Source.BARE:
            await desk.notice("Installing the agent into a bare image; this takes a minute.")
            await self.inside.set_up(made.id, self.policy.hermes)

    async def _ask(
        self, desk: Desk, sandbox: Sandbox, source: Source, image: str
    ) -> ProvidedSandbox:
        order = SandboxOrder(
            name=sandbox.provider_name or "",
            source=source,
            image=image,
            labels=self._labels(sandbox, source, image),
            retention=self.policy.retention,
        )
        try:
            return await self.provider.create(order)
        except (NameTakenError, LostAnswerError) as exc:
            logger.info("looking for sandbox %s: %s", order.name, exc.detail)
            found = await self._settled(desk, order.name, _APPEAR)
            if found is None:
                raise
            return found

    def _labels(self, sandbox: Sandbox, source: Source, image: str) -> Mapping[str, str]:
        return {
            DEPLOYMENT_LABEL: self.policy.deployment_id,
            OWNER_LABEL: sandbox.owner_id,
            CREATE_LABEL: sandbox.create_id or "",
            SOURCE_LABEL: source,
            IMAGE_LABEL: image,
        }

    async def _settled(
        self, desk: Desk, id_or_name: str, appear: timedelta
    ) -> ProvidedSandbox | None:
        """The sandbox once it runs; None when none appears."""
        deadline = desk.clock() + appear
        while True:
            found = await self.provider.find(id_or_name)
            if found is not None and found.state is ProvidedState.STARTED:
                return found
            if found is not None and found.state is ProvidedState.FAILED:
                raise CreateFailedError(f"the provider could not make the sandbox: {found.reason}")
            if found is not None and found.state is ProvidedState.STOPPED:
                await self.provider.start(found.id)
            if found is not None:
                deadline = max(deadline, desk.launch.created_at + _SETTLE)
            if desk.clock() >= deadline:
                return None
            await desk.sleep(_POLL_S)

    async def _record(self, desk: Desk, token: RelayToken) -> Sandbox:
        """Before anything in the sandbox uses them: the agent's token, the relay token's hash."""

        def record(sandbox: Sandbox) -> Sandbox:
            sealed = sandbox.sealed_agent_token or self.preparation.new_agent_token(
                sandbox.owner_id
            )
            return sandbox.progressed(
                desk.right,
                desk.clock(),
                sealed_agent_token=sealed,
                relay_tokens=token.added_to(sandbox),
            )

        return _there(await desk.change_sandbox(record))

    async def _agent(
        self, desk: Desk, sandbox: Sandbox, wanted: Wanted, token: RelayToken, results: Changes
    ) -> None:
        """The address is signed while the agent starts."""
        async with desk.phase(PhaseName.CONFIGURE):
            process, changes = await desk.step(
                Step.CONFIGURE, lambda: self.preparation.configure(sandbox, wanted, token)
            )
        results |= changes
        async with desk.phase(PhaseName.AGENT):
            results |= await desk.step(
                Step.START_AGENT, lambda: self.preparation.start_agent(sandbox, process)
            )
            access = await desk.step(Step.SIGN, lambda: self.preparation.sign(sandbox, AGENT_PORT))
            results["previews"] = {str(AGENT_PORT): access}
            reachable = sandbox.with_changes(previews=results["previews"])
            results |= await desk.step(
                Step.CHECK_AGENT, lambda: self.preparation.check_agent(reachable)
            )

    async def _skill(self, desk: Desk, sandbox: Sandbox, results: Changes) -> None:
        async with desk.phase(PhaseName.UPLOAD):
            bundle = await desk.step(Step.FETCH, lambda: self.preparation.fetch(desk.launch))
        async with desk.phase(PhaseName.VERIFY, desk.launch.skill.digest):
            installed: Installed = await desk.step(
                Step.INSTALL, lambda: self.preparation.install(sandbox, desk.launch, bundle)
            )
        results["skills"] = {slot(desk.launch.skill.directory): installed}

    async def _activate(self, desk: Desk, results: Mapping[str, Any]) -> Sandbox:
        sandbox = await desk.sandbox()
        changed = await desk.change_sandbox(
            lambda record: record.activated(desk.right, desk.clock(), **results),
            event=sandbox_event(SANDBOX_CREATED, sandbox, SandboxState.ACTIVE, desk.clock()),
        )
        return _there(changed)


def _there(sandbox: Sandbox | None) -> Sandbox:
    if sandbox is None:
        message = "the sandbox's record is gone"
        raise AgentLostError(message)
    return sandbox


def sandbox_event(
    kind: Any, sandbox: Sandbox, state: SandboxState, at: datetime, reason: str = ""
) -> OutgoingEvent:
    sandbox_id = sandbox.provider_id or sandbox.provider_name or ""
    data = SandboxChanged(
        owner_id=sandbox.owner_id, sandbox_id=sandbox_id, state=state, reason=reason
    )
    event: OutgoingEvent = kind.of(data, entity_id=sandbox_id, at=at)
    return event

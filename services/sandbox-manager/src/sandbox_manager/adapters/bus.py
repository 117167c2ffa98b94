"""The other services, and the journal, over the bus."""

import io
import tarfile
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta

from common.contracts import keys as keys_wire
from common.contracts import skills as skills_wire
from common.contracts.sandbox import LaunchEntry, launch_journal
from common.digest import EXECUTABLE, PLAIN, skill_digest
from common.messaging.journal import Journal
from common.messaging.objects import ObjectBucket
from common.messaging.rpc import RpcClient

from sandbox_manager.errors import InstallFailedError
from sandbox_manager.model.account import AccountKey
from sandbox_manager.model.variables import StoredVariable
from sandbox_manager.ports.services import Entered, Keys, LaunchJournal, RevealPurpose, Skills

_RESOLVE_WITHIN = timedelta(seconds=60)
_BUNDLE_WITHIN = timedelta(seconds=30)
_KEPT_BYTES = 64 * 1024 * 1024


class BusSkills(Skills):
    """skill-resolver; bundles are kept in memory up to a limit, since a digest never changes."""

    def __init__(self, rpc: RpcClient, bundles: ObjectBucket) -> None:
        self._rpc = rpc
        self._bundles = bundles
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    async def resolve(self, ref: str) -> skills_wire.ResolvedSkill:
        return await self._rpc.call(
            skills_wire.RESOLVE, skills_wire.ResolveSkill(ref=ref), within=_RESOLVE_WITHIN
        )

    async def get(self, digest: str) -> skills_wire.ResolvedSkill:
        return await self._rpc.call(skills_wire.GET_SKILL, skills_wire.GetSkill(digest=digest))

    async def bundle(self, digest: str) -> bytes:
        kept = self._kept.get(digest)
        if kept is not None:
            self._kept.move_to_end(digest)
            return kept
        found = await self._rpc.call(
            skills_wire.GET_BUNDLE, skills_wire.GetBundle(digest=digest), within=_BUNDLE_WITHIN
        )
        content = await self._bundles.get(found.object_name)
        if content is None or digest_of(content) != digest:
            message = "the skill's stored files are not what was previewed"
            raise InstallFailedError(message)
        self._keep(digest, content)
        return content

    def _keep(self, digest: str, content: bytes) -> None:
        self._kept[digest] = content
        while sum(map(len, self._kept.values())) > _KEPT_BYTES:
            self._kept.popitem(last=False)


def digest_of(bundle: bytes) -> str:
    """The digest of the files in a tar."""
    files = []
    with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                mode = EXECUTABLE if member.mode & 0o100 else PLAIN
                files.append((member.name, mode, content.read()))
    return skill_digest(files)


class BusKeys(Keys):
    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def settings(self, owner_id: str) -> keys_wire.OwnerSettings:
        request = keys_wire.GetSettings(owner_id=owner_id)
        return await self._rpc.call(keys_wire.GET_SETTINGS, request)

    async def entered(self, owner_id: str) -> Entered:
        request = keys_wire.ListSecrets(owner_id=owner_id)
        listed = await self._rpc.call(keys_wire.LIST_SECRETS, request)
        own = next((one for one in listed.secrets if _is_account_key(one)), None)
        return Entered(
            variables=tuple(_variable(one) for one in listed.secrets if one.skill is not None),
            account=AccountKey(own.version, own.set_at) if own is not None else None,
        )

    async def reveal(
        self, owner_id: str, variable: StoredVariable, purpose: RevealPurpose = "skill_variable"
    ) -> str:
        request = keys_wire.Reveal(
            owner_id=owner_id,
            name=variable.name,
            skill=variable.skill,
            purpose=purpose,
        )
        revealed = await self._rpc.call(keys_wire.REVEAL, request)
        return revealed.value.get_secret_value()

    async def reveal_account(self, owner_id: str) -> str:
        request = keys_wire.Reveal(
            owner_id=owner_id, name=keys_wire.ACCOUNT_KEY, purpose="sandbox_provider"
        )
        revealed = await self._rpc.call(keys_wire.REVEAL, request)
        return revealed.value.get_secret_value()


def _is_account_key(secret: keys_wire.SecretMetadata) -> bool:
    return secret.skill is None and secret.name == keys_wire.ACCOUNT_KEY


def _variable(secret: keys_wire.SecretMetadata) -> StoredVariable:
    return StoredVariable(
        name=secret.name,
        skill=secret.skill or "",
        digest=secret.digest,
        version=secret.version,
        set_at=secret.set_at,
    )


class BusJournal(LaunchJournal):
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def publish(self, launch_id: str, entries: Sequence[LaunchEntry]) -> None:
        lines = [entry.model_dump_json().encode() for entry in entries]
        if lines:
            self._journal.append(launch_journal(launch_id), lines)

"""The wire of keys: owner ids, secrets, settings."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from common.contracts.base import Empty, Message, OwnerId, Request, Rpc, WireSecret

SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")]
SkillPath = Annotated[str, StringConstraints(max_length=400)]
"""`owner/repo/path` of the skill a variable was entered for."""


class ResolveOwner(Request):
    """The owner of a verified identity; minted at the first call."""

    issuer: str = Field(max_length=500)
    subject: str = Field(max_length=500)


class Owner(Message):
    owner_id: OwnerId
    created_at: datetime


class PutSecret(Request):
    """Seal `value`; `skill` and `digest` say which skill a variable was entered for, absent for
    provider keys.
    """

    owner_id: OwnerId
    name: SecretName
    value: WireSecret
    skill: SkillPath | None = None
    digest: str | None = None


class SecretMetadata(Message):
    """All that ever leaves towards a browser."""

    name: SecretName
    skill: SkillPath | None
    digest: str | None = None
    last_four: str
    version: int
    set_at: datetime


class ListSecrets(Request):
    owner_id: OwnerId


class SecretList(Message):
    secrets: list[SecretMetadata]


class DeleteSecret(Request):
    owner_id: OwnerId
    name: SecretName
    skill: SkillPath | None = None


class Reveal(Request):
    """Ask for a value; audited with its purpose. Only sandbox-manager and the relay may publish
    this subject.
    """

    owner_id: OwnerId
    name: SecretName
    skill: SkillPath | None = None
    purpose: Literal["relay", "skill_variable", "sandbox_provider", "key_check"]


class Revealed(Message):
    value: WireSecret
    version: int


class GetSettings(Request):
    owner_id: OwnerId


class OwnerSettings(Message):
    """What an owner chose; the platform's defaults where they chose nothing (`version` 0)."""

    provider: str
    model: str
    base_url: str | None = None
    version: int = 0


class PutSettings(Request):
    owner_id: OwnerId
    provider: str = Field(max_length=40)
    model: str = Field(min_length=1, max_length=200)
    base_url: str | None = Field(default=None, max_length=500)


RESOLVE_OWNER = Rpc("rpc.keys.resolve_owner.v1", ResolveOwner, Owner)
PUT_SECRET = Rpc("rpc.keys.put_secret.v1", PutSecret, SecretMetadata)
LIST_SECRETS = Rpc("rpc.keys.list_secrets.v1", ListSecrets, SecretList)
DELETE_SECRET = Rpc("rpc.keys.delete_secret.v1", DeleteSecret, Empty)
REVEAL = Rpc("rpc.keys.reveal.v1", Reveal, Revealed)
GET_SETTINGS = Rpc("rpc.keys.get_settings.v1", GetSettings, OwnerSettings)
PUT_SETTINGS = Rpc("rpc.keys.put_settings.v1", PutSettings, OwnerSettings)

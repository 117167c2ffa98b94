"""The wire of keys: owner ids, secrets, settings, API tokens."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from common.contracts.base import Empty, Erased, Message, OwnerId, Request, Rpc, WireSecret

SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")]
ACCOUNT_KEY = "DAYTONA_API_KEY"
"""The secret that is an owner's own key of the sandbox provider."""

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
    purpose: Literal["relay", "skill_variable", "redaction", "sandbox_provider", "key_check"]


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


class EraseOwner(Request):
    """Forget a person: the identity, every secret and its key, settings, tokens. Erasing again
    finds nothing more; the same identity gets a new owner id.
    """

    owner_id: OwnerId


API_TOKEN_PREFIX = "tsk_"
"""What the value of every API token begins with."""

TokenId = Annotated[str, StringConstraints(pattern=r"^tok_[a-z0-9]{20}$")]
TokenScope = Literal["api", "openai"]
"""`api`: the whole API but keys, tokens and erasing oneself. `openai`: `/v1` only."""


class CreateToken(Request):
    owner_id: OwnerId
    name: str = Field(min_length=1, max_length=100)
    scope: TokenScope = "api"
    expires_at: AwareDatetime | None = None


class ApiToken(Message):
    """All that is shown of a token after it was made."""

    id: TokenId
    name: str
    scope: TokenScope
    last_four: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


class CreatedToken(ApiToken):
    """With the token itself, which is never shown again: only its SHA-256 is kept."""

    value: WireSecret


class ListTokens(Request):
    owner_id: OwnerId


class TokenList(Message):
    tokens: list[ApiToken]


class RevokeToken(Request):
    owner_id: OwnerId
    token_id: TokenId


class AuthorizeToken(Request):
    """Whose API token has this SHA-256 (hexadecimal)?"""

    token_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class TokenGrant(Message):
    owner_id: OwnerId
    token_id: TokenId
    scope: TokenScope


RESOLVE_OWNER = Rpc("rpc.keys.resolve_owner.v1", ResolveOwner, Owner)
PUT_SECRET = Rpc("rpc.keys.put_secret.v1", PutSecret, SecretMetadata)
LIST_SECRETS = Rpc("rpc.keys.list_secrets.v1", ListSecrets, SecretList)
DELETE_SECRET = Rpc("rpc.keys.delete_secret.v1", DeleteSecret, Empty)
REVEAL = Rpc("rpc.keys.reveal.v1", Reveal, Revealed)
GET_SETTINGS = Rpc("rpc.keys.get_settings.v1", GetSettings, OwnerSettings)
PUT_SETTINGS = Rpc("rpc.keys.put_settings.v1", PutSettings, OwnerSettings)
ERASE_OWNER = Rpc("rpc.keys.erase_owner.v1", EraseOwner, Erased)
CREATE_TOKEN = Rpc("rpc.keys.create_token.v1", CreateToken, CreatedToken)
LIST_TOKENS = Rpc("rpc.keys.list_tokens.v1", ListTokens, TokenList)
REVOKE_TOKEN = Rpc("rpc.keys.revoke_token.v1", RevokeToken, Empty)
AUTHORIZE_TOKEN = Rpc("rpc.keys.authorize_token.v1", AuthorizeToken, TokenGrant)

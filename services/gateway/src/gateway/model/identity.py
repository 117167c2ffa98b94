"""Who a caller is, as the edge sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Identity:
    """Issuer and subject of a verified token, or the one local user."""

    issuer: str
    subject: str


LOCAL_USER = Identity(issuer="local", subject="local")


class Scope(StrEnum):
    """What a caller may do: `all` is a person; the others are what an API token was made for."""

    ALL = "all"
    API = "api"
    OPENAI = "openai"


@dataclass(frozen=True)
class Caller:
    """An owner with what they may do; of an API token nobody's name is known here."""

    owner_id: str
    scope: Scope
    identity: Identity | None = None


@dataclass(frozen=True)
class Issuer:
    """What an issuer publishes: its discovery document and its public keys."""

    discovery: Mapping[str, Any]
    jwks: Mapping[str, Any]

"""Who a caller is, as the edge sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Identity:
    """Issuer and subject of a verified token, or the one local user."""

    issuer: str
    subject: str


LOCAL_USER = Identity(issuer="local", subject="local")


@dataclass(frozen=True)
class Issuer:
    """What an issuer publishes: its discovery document and its public keys."""

    discovery: Mapping[str, Any]
    jwks: Mapping[str, Any]

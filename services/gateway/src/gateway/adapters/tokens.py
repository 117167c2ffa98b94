"""Bearer tokens: JWTs of one issuer, signed by a key that it publishes.

The algorithm is taken from the token only to choose among asymmetric ones, and must fit the key's
own type, so a public key is never used as a shared secret and `none` never passes.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

import jwt
from common.errors import ErrorCode, UnauthenticatedError

from gateway.model.identity import Identity

KEY_TYPE = {
    "EdDSA": "OKP",
    "ES256": "EC",
    "ES384": "EC",
    "ES512": "EC",
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
}
_LEEWAY = timedelta(seconds=30)
_MOST_CHARACTERS = 8192
_MOST_SUBJECT = 500

_UNKNOWN_KEY = "it is not signed by a key that its issuer publishes"
_BAD_SUBJECT = "its subject is not usable"
_BAD_ALGORITHM = "its algorithm is not accepted"
_BAD_CLAIMS = "its signature, issuer, audience or times do not hold"
_TOO_LONG = "it is too long"
_NO_JWT = "it is not a JWT"

Jwk = Mapping[str, Any]


class KeySource(Protocol):
    """The published keys of an issuer."""

    async def find(self, kid: str | None) -> Jwk | None:
        """The key of that id; without an id, the only key there is."""
        ...


class IssuerVerifier:
    """Verifies the tokens of one issuer for one audience."""

    def __init__(self, keys: KeySource, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    async def verify(self, token: str) -> Identity:
        return Identity(issuer=self._issuer, subject=(await self.claims(token))["sub"])

    async def claims(self, token: str) -> dict[str, Any]:
        """All that the token says. Raises UnauthenticatedError."""
        header = _header(token)
        jwk = await self._keys.find(header.get("kid"))
        if jwk is None:
            raise _invalid(_UNKNOWN_KEY)
        claims = self._claims(token, str(header.get("alg")), jwk)
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _MOST_SUBJECT:
            raise _invalid(_BAD_SUBJECT)
        return claims

    def _claims(self, token: str, algorithm: str, jwk: Jwk) -> dict[str, Any]:
        if KEY_TYPE.get(algorithm) != jwk.get("kty") or jwk.get("alg", algorithm) != algorithm:
            raise _invalid(_BAD_ALGORITHM)
        try:
            return jwt.decode(
                token,
                key=jwt.PyJWK(dict(jwk), algorithm),
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError as exc:
            detail = "the token has expired: get a new one"
            raise UnauthenticatedError(detail, code=ErrorCode.TOKEN_EXPIRED) from exc
        except jwt.ImmatureSignatureError as exc:
            detail = "the token is not valid yet: its issuer's clock and ours differ"
            raise UnauthenticatedError(detail, code=ErrorCode.TOKEN_NOT_YET_VALID) from exc
        except (jwt.PyJWTError, ValueError) as exc:
            raise _invalid(_BAD_CLAIMS) from exc


def only_public(keys: list[Any]) -> dict[str | None, Jwk]:
    """The keys a signature can be checked with, by id."""
    usable = (
        key
        for key in keys
        if isinstance(key, dict)
        and key.get("kty") in set(KEY_TYPE.values())
        and key.get("use", "sig") == "sig"
        and isinstance(key.get("kid", ""), str)
    )
    return {key.get("kid"): key for key in usable}


def choose(keys: Mapping[str | None, Jwk], kid: str | None) -> Jwk | None:
    """The key of that id; without an id, the only key there is."""
    if kid is None:
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(kid)


def _header(token: str) -> dict[str, Any]:
    if len(token) > _MOST_CHARACTERS:
        raise _invalid(_TOO_LONG)
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as exc:
        raise _invalid(_NO_JWT) from exc


def _invalid(why: str) -> UnauthenticatedError:
    return UnauthenticatedError(f"the token is not valid: {why}", code=ErrorCode.TOKEN_INVALID)

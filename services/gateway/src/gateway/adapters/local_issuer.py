"""The local issuer: one Ed25519 key in a file, published like any issuer's."""

import base64
import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.adapters.tokens import Jwk, choose, only_public
from gateway.model.identity import Issuer


class LocalIssuer:
    """A `KeySource` of one key that does not change."""

    def __init__(self, issuer: str, key: Ed25519PrivateKey) -> None:
        self.issuer = issuer
        self._jwk = _public_jwk(key)
        self._keys = only_public([self._jwk])

    @property
    def published(self) -> Issuer:
        """What an OIDC issuer says of itself, as far as verifying tokens needs it."""
        discovery = {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/.well-known/jwks.json",
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
        }
        return Issuer(discovery=discovery, jwks={"keys": [self._jwk]})

    async def find(self, kid: str | None) -> Jwk | None:
        return choose(self._keys, kid)


def read_issuer(issuer: str, key_file: Path) -> LocalIssuer:
    """Raises ValueError when the file holds no Ed25519 private key."""
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as exc:
        message = f"GATEWAY_LOCAL_ISSUER_KEY_FILE: {key_file} is not a readable private key"
        raise ValueError(message) from exc
    if not isinstance(key, Ed25519PrivateKey):
        message = f"GATEWAY_LOCAL_ISSUER_KEY_FILE: {key_file} holds another key than Ed25519"
        raise ValueError(message)  # noqa: TRY004 (a wrong file is a wrong setting, not a wrong type)
    return LocalIssuer(issuer, key)


def _public_jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes_raw()
    required = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
    # The id is the key's thumbprint of RFC 7638: the same wherever it is computed.
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    thumbprint = _base64url(hashlib.sha256(canonical).digest())
    return {**required, "kid": thumbprint, "alg": "EdDSA", "use": "sig"}


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

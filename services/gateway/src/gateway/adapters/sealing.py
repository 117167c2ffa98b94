"""Cookies that only we can read and nobody can change: Fernet, with keys that can be rotated."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

_KIND = "kind"


class FernetSeal:
    """Seals with the first of `keys` (32 bytes each); opens what any of them sealed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])

    def seal(self, kind: str, content: Mapping[str, str]) -> str:
        return self._fernet.encrypt(json.dumps({**content, _KIND: kind}).encode()).decode()

    def unseal(self, kind: str, sealed: str, *, within: timedelta) -> dict[str, str] | None:
        try:
            content = json.loads(
                self._fernet.decrypt(sealed.encode(), ttl=int(within.total_seconds()))
            )
        except (InvalidToken, ValueError):
            return None
        # One kind of cookie is never taken for another.
        return content if content.pop(_KIND, "") == kind else None

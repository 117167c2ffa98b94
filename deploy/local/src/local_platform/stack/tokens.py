"""Bearer tokens of the local issuer: who else but its own user may use a local platform."""

import re
from datetime import datetime, timedelta

import jwt

from local_platform.stack.faults import FaultError

ISSUER = "http://127.0.0.1:8000/local-issuer"
AUDIENCE = "tryskills"
LIFETIME = timedelta(days=30)
USER = re.compile(r"[\w.@+-]{1,64}")


def mint(user: str, issuer_key: str, now: datetime) -> str:
    """A token that says `user`; the issuer is a name and stays the same on any port."""
    if not USER.fullmatch(user):
        raise FaultError(f"{user!r} is no name: up to 64 letters, digits and . _ @ + - are.")
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + LIFETIME}
    return jwt.encode(claims, issuer_key, algorithm="EdDSA")

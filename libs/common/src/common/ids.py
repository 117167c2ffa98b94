"""Random names for entities: a prefix that says what it is, and 100 bits."""

import secrets

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_LENGTH = 20


def new_id(prefix: str) -> str:
    """`<prefix>_` and 20 random characters (36^20, some 103 bits); not a secret."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))}"

"""The wire of the model relay: checks of a stored provider key."""

from datetime import datetime
from enum import StrEnum

from common.contracts.base import Message, OwnerId, Request, Rpc
from common.contracts.keys import SecretName


class KeyState(StrEnum):
    """`unknown`: the provider did not say, or documents no way to ask."""

    GOOD = "good"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class CheckKey(Request):
    """Ask the provider whether the stored key `name` is good."""

    owner_id: OwnerId
    name: SecretName


class CreditLeft(Message):
    """What the key may still spend; `remaining` is None where it is not limited."""

    remaining: float | None
    unit: str


class CheckedKey(Message):
    """`detail` is a sentence for a person."""

    name: SecretName
    provider: str
    state: KeyState
    detail: str
    credit: CreditLeft | None = None
    checked_at: datetime


CHECK_KEY = Rpc("rpc.relay.check_key.v1", CheckKey, CheckedKey)

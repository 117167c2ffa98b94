"""The wire of the model relay: checks of a stored provider key."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

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


class ListModels(Request):
    """Ask the provider for its models, with the owner's stored key where it wants one; `base_url`
    is where, for a provider whose address the owner gives.
    """

    owner_id: OwnerId
    provider: str = Field(max_length=40)
    base_url: str | None = Field(default=None, max_length=500)


class ModelList(Message):
    """Sorted names, at most 1,000; `detail` says why there are none."""

    provider: str
    title: str
    models: list[str]
    detail: str = ""


CHECK_KEY = Rpc("rpc.relay.check_key.v1", CheckKey, CheckedKey)
LIST_MODELS = Rpc("rpc.relay.list_models.v1", ListModels, ModelList)

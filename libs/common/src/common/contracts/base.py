"""What a message on the wire is made of.

A request refuses unknown fields, so that a caller's mistake is seen at once; replies and events
tolerate them, so that adding a field never breaks a service that is not yet redeployed. Renaming
or removing a field is a new version of the subject.
"""

from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, PlainSerializer, SecretStr, StringConstraints


class Message(BaseModel):
    """Anything sent; frozen, tolerant of unknown fields."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Request(Message):
    """What a caller asks; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Empty(Message):
    """A reply that says only that it was done."""


class Erased(Message):
    """What there was of an owner, by store. While not `is_done`, the rest goes with the event that
    the owner was erased.
    """

    counts: dict[str, int]
    is_done: bool = True


WireSecret = Annotated[
    SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json")
]
"""A secret that is hidden in `repr` and logs, and whole in the JSON that crosses the bus."""

OwnerId = Annotated[str, StringConstraints(pattern=r"^own_[a-z0-9]{20}$")]
"""The random name of an owner: the only word for a person outside the keys service."""

RequestT = TypeVar("RequestT", bound=Request)
ReplyT = TypeVar("ReplyT", bound=BaseModel)


@dataclass(frozen=True)
class Rpc(Generic[RequestT, ReplyT]):
    """A request/reply pair: the subject `rpc.<service>.<verb>.v<n>` and the types on both ends."""

    subject: str
    request: type[RequestT]
    reply: type[ReplyT]

    @property
    def service(self) -> str:
        return self.subject.split(".")[1]

    @property
    def verb(self) -> str:
        return self.subject.split(".")[2]

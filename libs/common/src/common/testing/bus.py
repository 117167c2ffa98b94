"""The bus as a service sees it, without a bus: answers by contract, journals that tests write."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from common.contracts.base import ReplyT, Request, RequestT, Rpc
from common.errors import AppError, UnavailableError

OnBody = Callable[[bytes], None]


class FakeServices:
    """Answers what it was told to; a service without an answer is not running.

    `asked` holds every request in order, `patience` how long each caller would wait.
    """

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.patience: list[timedelta | None] = []
        self.down: set[str] = set()
        self._answers: dict[str, Callable[[Any], Any]] = {}

    def answer(
        self, rpc: Rpc[RequestT, ReplyT], reply: ReplyT | AppError | Callable[[RequestT], ReplyT]
    ) -> None:
        """Answer `rpc` with a reply, an error, or what a function makes of the request."""
        self._answers[rpc.subject] = reply if callable(reply) else lambda _: reply

    async def call(
        self, rpc: Rpc[RequestT, ReplyT], request: RequestT, *, within: timedelta | None = None
    ) -> ReplyT:
        self.asked.append(request)
        self.patience.append(within)
        if rpc.subject not in self._answers or rpc.service in self.down:
            message = f"{rpc.service} is not running"
            raise UnavailableError(message)
        reply = self._answers[rpc.subject](request)
        if isinstance(reply, AppError):
            raise reply
        return rpc.reply.model_validate(reply)

    async def ping(self, service: str) -> None:
        if service in self.down:
            message = f"{service} does not answer"
            raise UnavailableError(message)


@dataclass
class FakeBodies:
    """Bodies on their way, by name; each is taken once."""

    waiting: dict[str, bytes] = field(default_factory=dict)

    async def put_body(self, content: bytes) -> str:
        name = f"obj_{len(self.waiting)}"
        self.waiting[name] = content
        return name

    async def take_body(self, name: str) -> bytes | None:
        return self.waiting.pop(name, None)


@dataclass
class FakeSubscription:
    followers: list[OnBody]
    on_body: OnBody

    def unsubscribe(self) -> None:
        self.followers.remove(self.on_body)


@dataclass
class FakeJournals:
    """Delivers at once what a test publishes; `interruptions` is the test's to raise."""

    interruptions: int = 0
    followers: dict[str, list[OnBody]] = field(default_factory=dict)

    async def follow(self, subject: str, on_body: OnBody) -> FakeSubscription:
        followers = self.followers.setdefault(subject, [])
        followers.append(on_body)
        return FakeSubscription(followers, on_body)

    async def publish(self, subject: str, *lines: bytes) -> None:
        for on_body in list(self.followers.get(subject, [])):
            on_body(b"\n".join(lines))

    def count(self) -> int:
        """How many follow anything."""
        return sum(len(followers) for followers in self.followers.values())

"""Does a consumer bear what delivery may do to it: events twice, late, in another order, newer?

A consumer is given as what it makes of a list of events when it starts from nothing. What it then
knows must be the same however the same events came.
"""

import asyncio
import copy
import importlib
import inspect
import json
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

CloudEvent = dict[str, Any]
Consumer = Callable[[list[CloudEvent]], Any]

STATE_VARIABLE = "CONSUMER_STATE"
_COMMAND_S = 60


class ConsumerError(Exception):
    """The consumer cannot be run at all, or failed."""


@dataclass(frozen=True)
class Finding:
    """`is_held` with what was tried; otherwise `detail` says how it came out differently."""

    promise: str
    is_held: bool
    detail: str = ""


def verify(
    consumer: Consumer, events: Sequence[CloudEvent], *, shuffles: int, seed: int
) -> Iterator[Finding]:
    """Try everything. Raises ConsumerError when the events fail in their own order."""
    known = _run(consumer, events)
    yield Finding("it can start anew", *_same(consumer, events, known))
    yield _idempotent(consumer, events, known)
    yield _order_tolerant(consumer, events, known, shuffles, seed)
    yield _both(consumer, events, known, shuffles, seed)
    yield _tolerant_of_news(consumer, events)


def of_function(name: str) -> Consumer:
    """`module:function`; it takes a list of CloudEvents and returns what it knows afterwards, now
    or as an awaitable.
    """
    module, _, function = name.partition(":")
    try:
        called = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as exc:
        raise ConsumerError(f"{name} cannot be imported: {exc}") from exc

    def run(events: list[CloudEvent]) -> Any:
        answer = called(events)
        return asyncio.run(answer) if inspect.iscoroutine(answer) else answer

    return run


def of_command(command: Sequence[str]) -> Consumer:
    """A program that reads CloudEvents as lines of JSON and prints what it knows at their end; it
    may keep files in the fresh directory that `CONSUMER_STATE` names.
    """

    def run(events: list[CloudEvent]) -> str:
        lines = "".join(f"{json.dumps(event)}\n" for event in events)
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                ["env", f"{STATE_VARIABLE}={directory}", *command],
                input=lines,
                capture_output=True,
                text=True,
                timeout=_COMMAND_S,
                check=False,
            )
        if done.returncode != 0:
            raise ConsumerError(f"exit status {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout

    return run


def _run(consumer: Consumer, events: Sequence[CloudEvent]) -> Any:
    """Events of its own, so that a consumer that changes them shows."""
    try:
        return consumer(copy.deepcopy(list(events)))
    except ConsumerError:
        raise
    except Exception as exc:
        raise ConsumerError(f"{type(exc).__name__}: {exc}") from exc


def _same(consumer: Consumer, events: Sequence[CloudEvent], known: Any) -> tuple[bool, str]:
    try:
        now = _run(consumer, events)
    except ConsumerError as exc:
        return False, str(exc)
    return now == known, "" if now == known else "it knows something else afterwards"


def _idempotent(consumer: Consumer, events: Sequence[CloudEvent], known: Any) -> Finding:
    promise = "the same event twice changes nothing"
    each_twice = [event for event in events for _ in range(2)]
    for order in (each_twice, [*events, *events]):
        is_held, detail = _same(consumer, order, known)
        if not is_held:
            doubled = _first(
                consumer, known, ([*events[:n], *events[n - 1 :]] for n in _from_one(events))
            )
            return Finding(promise, is_held=False, detail=_blamed(detail, events, doubled))
    return Finding(promise, is_held=True)


def _order_tolerant(
    consumer: Consumer, events: Sequence[CloudEvent], known: Any, orders: int, seed: int
) -> Finding:
    promise = "another order changes nothing"
    for order in [list(reversed(events)), *_shuffled(events, orders, seed)]:
        is_held, detail = _same(consumer, order, known)
        if not is_held:
            late = _first(consumer, known, (_swapped(events, n) for n in _from_one(events)))
            return Finding(promise, is_held=False, detail=_blamed(detail, events, late))
    return Finding(promise, is_held=True)


def _both(
    consumer: Consumer, events: Sequence[CloudEvent], known: Any, orders: int, seed: int
) -> Finding:
    promise = "nor do both at once"
    for order in _shuffled([*events, *events], orders, seed):
        is_held, detail = _same(consumer, order, known)
        if not is_held:
            return Finding(promise, is_held=False, detail=detail)
    return Finding(promise, is_held=True)


def _shuffled(events: Sequence[CloudEvent], orders: int, seed: int) -> Iterator[list[CloudEvent]]:
    chance = random.Random(seed)
    for _ in range(orders):
        order = list(events)
        chance.shuffle(order)
        yield order


def _tolerant_of_news(consumer: Consumer, events: Sequence[CloudEvent]) -> Finding:
    """It may do with them what it likes, except fail."""
    promise = "unknown fields and unknown types are borne"
    newer = [{**event, "data": {**event["data"], "a_new_field": [1]}} for event in events]
    unknown = {**newer[0], "id": "evt_unknown", "type": "something.happened.v1"}
    try:
        _run(consumer, [*newer, unknown])
    except ConsumerError as exc:
        return Finding(promise, is_held=False, detail=str(exc))
    return Finding(promise, is_held=True)


def _from_one(events: Sequence[CloudEvent]) -> range:
    return range(1, len(events) + 1)


def _swapped(events: Sequence[CloudEvent], number: int) -> list[CloudEvent]:
    """The event of that number last, after everything else."""
    return [*events[: number - 1], *events[number:], events[number - 1]]


def _first(consumer: Consumer, known: Any, orders: Iterator[list[CloudEvent]]) -> int | None:
    """The number of the first order after which something else is known."""
    for number, order in enumerate(orders, start=1):
        if not _same(consumer, order, known)[0]:
            return number
    return None


def _blamed(detail: str, events: Sequence[CloudEvent], number: int | None) -> str:
    """One event alone explains it, or only several together."""
    if number is None:
        return f"{detail}; no single event explains it"
    event = events[number - 1]
    return f"{detail}; event {number}, {event['type']} of {event['subject']}, is enough for it"

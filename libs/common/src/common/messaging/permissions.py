"""What each user may publish and subscribe, from `contracts.access`, in NATS' configuration.

A service answers whoever asked (`allow_responses`) and reads replies from its own inboxes alone.
Of JetStream's own subjects a user is given those of its streams. Two of them are worth more than
they look: who makes or changes a stream reads what it likes, so the steward alone may; and who
makes a consumer may have it deliver what they wrote to any subject, which is why an RPC is
answered only where its reply goes to an inbox.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from common.contracts.access import (
    BUCKETS,
    CALLERS,
    CONSUMERS,
    JOURNALS,
    LISTENERS,
    OPERATOR,
    READERS,
    RESUMERS,
    STEWARD,
    USERS,
)
from common.contracts.events import EVENTS, EVERY_EVENT
from common.messaging.connection import inbox_prefix
from common.messaging.streams import EVENTS_STREAM, JOURNAL_STREAM, durable_name

_API = "$JS.API"
_REPLY_WITHIN = "2m"
_END = "  ]\n}\n"
_READER = re.compile(r"[a-z][a-z0-9-]{0,39}")
_HEADER = """\
# Who may do what on the bus. Written by `make docs` from common/contracts/access.py.
#
# Append it to the server's configuration. The passwords come from the server's environment; each
# starts with a letter (the server reads `1e3` as a number), or is a bcrypt hash. Another team that
# reads events is added to a copy of this file: python -m operate reader NAME --into COPY.
"""


@dataclass(frozen=True)
class Grant:
    """`replies`: may answer a message that it received, once."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    replies: bool = False


def grants() -> dict[str, Grant]:
    """Every user with what it may do."""
    services = {user: _service(user) for user in USERS}
    readers = {user: _reader(user) for user in READERS}
    return {**services, **readers, OPERATOR: Grant((">",), (">",))}


def password_variable(user: str) -> str:
    return f"NATS_PASSWORD_{user.upper().replace('-', '_')}"


def users_config() -> str:
    """The `authorization` part of the server's configuration."""
    users = "".join(
        _user(user, grant, f"${password_variable(user)}") for user, grant in grants().items()
    )
    return f"{_HEADER}authorization {{\n  users: [\n{users}{_END}"


def with_reader(config: str, user: str, password_hash: str) -> str:
    """That configuration with one more team in it, which may read events and nothing else; a
    reader of that name gets another password. Raises ValueError when it is taken by another kind
    of user, or when this is no such configuration.
    """
    if not _READER.fullmatch(user) or user in {*USERS, OPERATOR}:
        message = f"{user!r} cannot be a reader: small letters, digits and dashes, no service"
        raise ValueError(message)
    if not config.endswith(_END):
        message = "this is no configuration of users: copy deploy/nats/users.conf"
        raise ValueError(message)
    return _without(config, user).removesuffix(_END) + (
        _user(user, _reader(user), _quoted(password_hash)) + _END
    )


def _without(config: str, user: str) -> str:
    opening = f"    {{\n      user: {_quoted(user)}\n"
    before, found, after = config.partition(opening)
    return before + after.partition("\n    }\n")[2] if found else config


def _service(user: str) -> Grant:
    publish = [
        *_calls(user),
        *(event.subject for event in EVENTS if event.service == user),
        *(subject for subject, shared in JOURNALS.items() if user in shared.writers),
        *_streams(user),
        *_consumers(user),
        *_captured(user),
        *_objects(user),
    ]
    subscribe = [
        f"{inbox_prefix(user)}.>",
        *(event.subject for event, users in LISTENERS.items() if user in users),
        *(subject for subject, shared in JOURNALS.items() if user in shared.readers),
        *_serves(user),
    ]
    return Grant(tuple(sorted(publish)), tuple(sorted(subscribe)), replies=bool(_serves(user)))


def _reader(user: str) -> Grant:
    publish = (
        f"{_API}.STREAM.INFO.{EVENTS_STREAM}",
        f"{_API}.CONSUMER.CREATE.{EVENTS_STREAM}.{user}",
        f"{_API}.CONSUMER.CREATE.{EVENTS_STREAM}.{user}.>",
        *_pull(EVENTS_STREAM, user),
    )
    return Grant(tuple(sorted(publish)), tuple(sorted((f"{inbox_prefix(user)}.>", EVERY_EVENT))))


def _calls(user: str) -> Iterator[str]:
    called = [rpc for rpc, callers in CALLERS.items() if user in callers]
    # To its own service a caller speaks by process.
    yield from (f"{rpc.subject}.*" if rpc.service == user else rpc.subject for rpc in called)
    yield from {f"$SRV.PING.{rpc.service}" for rpc in called if rpc.service != user}


def _serves(user: str) -> list[str]:
    if not any(rpc.service == user for rpc in CALLERS):
        return []
    discovery = [
        f"$SRV.{verb}{rest}"
        for verb in ("PING", "INFO", "STATS")
        for rest in ("", f".{user}", f".{user}.*")
    ]
    return [f"rpc.{user}.>", *discovery]


def _streams(user: str) -> Iterator[str]:
    names = (EVENTS_STREAM, JOURNAL_STREAM)
    writes = any(event.service == user for event in EVENTS)
    for name in (*names, *(_stream_of(bucket) for bucket in BUCKETS)):
        if user == STEWARD:
            yield from (f"{_API}.STREAM.{verb}.{name}" for verb in ("CREATE", "UPDATE", "INFO"))
        elif name in names and writes:
            yield f"{_API}.STREAM.INFO.{name}"


def _consumers(user: str) -> Iterator[str]:
    for event, users in CONSUMERS.items():
        if user == STEWARD:
            for other in users:
                name = durable_name(other, event.type)
                yield f"{_API}.CONSUMER.CREATE.{EVENTS_STREAM}.{name}.{event.subject}"
        if user in users:
            yield from _pull(EVENTS_STREAM, durable_name(user, event.type))


def _captured(user: str) -> Iterator[str]:
    for subject, users in RESUMERS.items():
        if user in users:
            yield f"{_API}.STREAM.PURGE.{JOURNAL_STREAM}"
            yield f"{_API}.DIRECT.GET.{JOURNAL_STREAM}.{subject}"
            yield f"{_API}.CONSUMER.CREATE.{JOURNAL_STREAM}.*.{subject}"
            yield from _pull(JOURNAL_STREAM, "*", acknowledges=False)


def _objects(user: str) -> Iterator[str]:
    for bucket, shared in BUCKETS.items():
        stream = _stream_of(bucket)
        if user in (*shared.readers, *shared.writers):
            yield f"{_API}.STREAM.NAMES"
            yield f"{_API}.STREAM.INFO.{stream}"
            yield f"{_API}.STREAM.MSG.GET.{stream}"
            yield f"{_API}.CONSUMER.CREATE.{stream}"
            yield f"$JS.FC.{stream}.>"
        if user in shared.writers:
            yield f"$O.{bucket}.>"
            yield f"{_API}.STREAM.PURGE.{stream}"


def _pull(stream: str, consumer: str, *, acknowledges: bool = True) -> Iterator[str]:
    yield f"{_API}.CONSUMER.INFO.{stream}.{consumer}"
    yield f"{_API}.CONSUMER.MSG.NEXT.{stream}.{consumer}"
    if acknowledges:
        yield f"$JS.ACK.{stream}.{consumer}.>"


def _stream_of(bucket: str) -> str:
    return f"OBJ_{bucket}"


def _user(user: str, grant: Grant, password: str) -> str:
    replies = f'\n        allow_responses: {{ max: 1, expires: "{_REPLY_WITHIN}" }}'
    return (
        f"    {{\n      user: {_quoted(user)}\n      password: {password}\n"
        f"      permissions: {{\n        publish: {_list(grant.publish)}"
        f"\n        subscribe: {_list(grant.subscribe)}"
        f"{replies if grant.replies else ''}\n      }}\n    }}\n"
    )


def _list(subjects: tuple[str, ...]) -> str:
    lines = "".join(f"          {_quoted(subject)}\n" for subject in dict.fromkeys(subjects))
    return f"[\n{lines}        ]"


def _quoted(word: str) -> str:
    return f'"{word}"'

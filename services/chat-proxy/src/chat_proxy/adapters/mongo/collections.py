"""Names, indexes, and what all repositories share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from common.contracts.events import OutgoingEvent
from common.errors import UnavailableError
from common.mongo import Document, Migration
from common.outbox import ARCHIVE_INDEXES, OUTBOX_INDEX, waiting
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError, PyMongoError

SESSIONS = "chat_sessions"
MESSAGES = "chat_messages"
WORDS = "chat_words"
"""By which a turn is found: a document a turn, so that none grows with its session."""

TURNS = "turns"
APPROVALS = "approvals"
SHARES = "shares"
USAGE = "usage"
"""Written by the relay."""
CAPS = "usage_caps"
ARCHIVE = "events"

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    SESSIONS: (
        IndexModel(
            [
                ("owner_id", ASCENDING),
                ("state", ASCENDING),
                ("updated_at", DESCENDING),
                ("_id", DESCENDING),
            ]
        ),
        IndexModel([("owner_id", ASCENDING), ("words", ASCENDING)]),
        IndexModel(
            [("owner_id", ASCENDING), ("thread", ASCENDING)],
            partialFilterExpression={"thread": {"$type": "string"}},
        ),
        IndexModel(
            [("owner_id", ASCENDING), ("idempotency_key", ASCENDING)],
            unique=True,
            partialFilterExpression={"idempotency_key": {"$type": "string"}},
        ),
        OUTBOX_INDEX,
    ),
    MESSAGES: (IndexModel([("session_id", ASCENDING), ("seq", ASCENDING)]),),
    WORDS: (
        IndexModel([("owner_id", ASCENDING), ("words", ASCENDING)]),
        IndexModel([("session_id", ASCENDING)]),
    ),
    TURNS: (
        # One running turn per session, whoever asks.
        IndexModel(
            [("session_id", ASCENDING)],
            name="one_running",
            unique=True,
            partialFilterExpression={"active": True},
        ),
        IndexModel(
            [("session_id", ASCENDING), ("idempotency_key", ASCENDING)],
            name="idempotency",
            unique=True,
            partialFilterExpression={"idempotency_key": {"$type": "string"}},
        ),
        IndexModel([("session_id", ASCENDING), ("created_at", ASCENDING)]),
        IndexModel([("active", ASCENDING), ("claim.until", ASCENDING)]),
        IndexModel([("owner_id", ASCENDING), ("active", ASCENDING)]),
        OUTBOX_INDEX,
    ),
    APPROVALS: (
        IndexModel([("turn_id", ASCENDING), ("state", ASCENDING)]),
        IndexModel([("owner_id", ASCENDING), ("choice", ASCENDING), ("state", ASCENDING)]),
        IndexModel([("session_id", ASCENDING)]),
        OUTBOX_INDEX,
    ),
    SHARES: (
        IndexModel([("token_sha256", ASCENDING)], unique=True),
        IndexModel([("session_id", ASCENDING)]),
        IndexModel([("purge_at", ASCENDING)], expireAfterSeconds=0),
    ),
    USAGE: (
        IndexModel([("owner_id", ASCENDING), ("day", ASCENDING)]),
        IndexModel([("turn_id", ASCENDING)]),
    ),
    ARCHIVE: ARCHIVE_INDEXES,
}
MIGRATIONS: tuple[Migration, ...] = ()
"""Numbered by their place: only ever added to, at the end."""


@contextmanager
def answering() -> Iterator[None]:
    """The driver's errors as ours; a duplicate key is an answer, not an error."""
    try:
        yield
    except DuplicateKeyError:
        raise
    except PyMongoError as exc:
        message = "the store does not answer"
        raise UnavailableError(message) from exc


def with_event(update: Document, event: OutgoingEvent | None) -> Document:
    """`update` that also stores the event it causes."""
    return update if event is None else {**update, **waiting(event)}


def outbox_of(event: OutgoingEvent) -> list[Document]:
    """The outbox of a document that is born with its event."""
    return [event.model_dump()]

"""Every index this service needs, and the migrations of its documents."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from common.mongo import Migration
from common.outbox import ARCHIVE_INDEXES, OUTBOX_INDEX
from pymongo import ASCENDING, DESCENDING, IndexModel

MIGRATIONS: tuple[Migration, ...] = ()
"""Numbered by their place: only ever added to, at the end."""


def indexes(*, audit_retention: timedelta) -> Mapping[str, Sequence[IndexModel]]:
    seconds = int(audit_retention.total_seconds())
    return {
        "owners": (
            IndexModel([("issuer", ASCENDING), ("subject", ASCENDING)], unique=True),
            IndexModel([("erased_at", ASCENDING)], sparse=True),
            OUTBOX_INDEX,
        ),
        "data_keys": (IndexModel([("master_id", ASCENDING)]),),
        "secrets": (IndexModel([("owner_id", ASCENDING)]), OUTBOX_INDEX),
        "audit": (
            IndexModel([("owner_id", ASCENDING), ("at", DESCENDING)]),
            IndexModel([("at", ASCENDING)], expireAfterSeconds=seconds),
            OUTBOX_INDEX,
        ),
        "api_tokens": (
            IndexModel([("sha256", ASCENDING)], unique=True),
            IndexModel([("owner_id", ASCENDING)]),
        ),
        "events": ARCHIVE_INDEXES,
    }

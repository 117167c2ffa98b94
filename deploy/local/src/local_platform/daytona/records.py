"""What survives a restart: one SQLite file, one row per record, all of it held in memory."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from local_platform.daytona.model import Sandbox, SignedUrl, Snapshot, Volume

R = TypeVar("R", bound=BaseModel)


class Table(Generic[R]):
    """Records of one kind; a record is visible only after it is on disk."""

    def __init__(
        self, database: sqlite3.Connection, kind: type[R], key: Callable[[R], str]
    ) -> None:
        self._database = database
        self._name = kind.__name__.lower()
        self._key = key
        database.execute(
            f"CREATE TABLE IF NOT EXISTS {self._name} (id TEXT PRIMARY KEY, body TEXT NOT NULL)"
        )
        rows = database.execute(f"SELECT body FROM {self._name}").fetchall()
        self._records = {
            key(found): found for found in (kind.model_validate_json(r[0]) for r in rows)
        }

    def get(self, record_id: str) -> R | None:
        return self._records.get(record_id)

    def all(self) -> list[R]:
        return list(self._records.values())

    def put(self, record: R) -> None:
        with self._database:
            self._database.execute(
                f"INSERT OR REPLACE INTO {self._name} VALUES (?, ?)",
                (self._key(record), record.model_dump_json()),
            )
        self._records[self._key(record)] = record

    def remove(self, record_id: str) -> None:
        self._records.pop(record_id, None)
        with self._database:
            self._database.execute(f"DELETE FROM {self._name} WHERE id = ?", (record_id,))


class Records:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._database = sqlite3.connect(path)
        path.chmod(0o600)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self.sandboxes = Table(self._database, Sandbox, lambda sandbox: sandbox.id)
        self.snapshots = Table(self._database, Snapshot, lambda snapshot: snapshot.id)
        self.volumes = Table(self._database, Volume, lambda volume: volume.id)
        self.signed_urls = Table(self._database, SignedUrl, lambda url: url.id)

    def close(self) -> None:
        self._database.close()

"""Snapshots as records; every one of them is the one prepared root.

There is no image builder here: an image that is nothing but a base (`FROM x`) is accepted and gets
the prepared root, one with build steps is refused in words.
"""

import uuid

from local_platform.daytona.bodies import CreateSandbox, CreateSnapshot
from local_platform.daytona.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    NotServedError,
)
from local_platform.daytona.model import Snapshot, SnapshotState, utc_now
from local_platform.daytona.records import Records
from local_platform.daytona.settings import Settings

GIVEN = "The local host has no image builder: this image stands for its prepared root."


class Snapshots:
    def __init__(self, records: Records, settings: Settings) -> None:
        self._table = records.snapshots
        self._settings = settings
        if self._named(settings.snapshot) is None:
            self._table.put(self._new(name=settings.snapshot, general=True))

    def all(self) -> list[Snapshot]:
        return sorted(self._table.all(), key=lambda snapshot: snapshot.created_at, reverse=True)

    def find(self, id_or_name: str) -> Snapshot:
        found = self._table.get(id_or_name) or self._named(id_or_name)
        if found is None:
            raise NotFoundError(f"Snapshot with ID or name {id_or_name} not found")
        return found

    def create(self, wanted: CreateSnapshot) -> Snapshot:
        if wanted.gpu:
            msg = "gpu is not implemented by the local host"
            raise NotServedError(msg)
        if self._named(wanted.name) is not None:
            raise ConflictError(f"Snapshot with name {wanted.name} already exists")
        dockerfile = wanted.build_info.dockerfile_content if wanted.build_info else None
        if dockerfile is not None:
            require_plain(dockerfile)
        elif not wanted.image_name:
            msg = "a snapshot needs an imageName or a buildInfo"
            raise BadRequestError(msg)
        snapshot = self._new(name=wanted.name).model_copy(
            update={
                "image": wanted.image_name,
                "dockerfile": dockerfile,
                "entrypoint": wanted.entrypoint,
                "cpu": wanted.cpu or self._settings.cpu,
                "memory": wanted.memory or self._settings.memory_gib,
                "disk": wanted.disk or self._settings.disk_gib,
            }
        )
        self._table.put(snapshot)
        return snapshot

    def delete(self, snapshot: Snapshot) -> None:
        if snapshot.general:
            raise ForbiddenError(f"Snapshot {snapshot.name} belongs to the host and stays")
        self._table.remove(snapshot.id)

    def set_active(self, snapshot: Snapshot, *, active: bool) -> Snapshot:
        wanted = SnapshotState.ACTIVE if active else SnapshotState.INACTIVE
        if snapshot.general and not active:
            raise ForbiddenError(f"Snapshot {snapshot.name} belongs to the host and stays active")
        if snapshot.state != wanted:
            snapshot.state, snapshot.updated_at = wanted, utc_now()
            self._table.put(snapshot)
        return snapshot

    def for_sandbox(self, wanted: CreateSandbox) -> Snapshot:
        """The snapshot a new sandbox is made from."""
        if wanted.build_info is not None:
            require_plain(wanted.build_info.dockerfile_content)
            return self.find(self._settings.snapshot)
        name = wanted.snapshot or self._settings.snapshot
        found = self._table.get(name) or self._named(name)
        if found is None:
            raise BadRequestError(
                f"Snapshot {name} not found. Did you add it through the dashboard or SDK?"
            )
        if found.state != SnapshotState.ACTIVE:
            raise BadRequestError(f"Snapshot {name} is {found.state}")
        return found

    def used(self, snapshot: Snapshot) -> None:
        snapshot.last_used_at = utc_now()
        self._table.put(snapshot)

    def log(self, dockerfile: str | None) -> str:
        return f"{dockerfile or ''}\n{GIVEN}\n".lstrip()

    def _named(self, name: str) -> Snapshot | None:
        return next((snapshot for snapshot in self._table.all() if snapshot.name == name), None)

    def _new(self, *, name: str, general: bool = False) -> Snapshot:
        return Snapshot(
            id=str(uuid.uuid4()),
            name=name,
            general=general,
            cpu=self._settings.cpu,
            memory=self._settings.memory_gib,
            disk=self._settings.disk_gib,
        )


def require_plain(dockerfile: str) -> None:
    """Raises NotServedError with the first step that would have to be built."""
    lines = [line.split(maxsplit=1) for line in dockerfile.splitlines()]
    steps = [words[0].upper() for words in lines if words and not words[0].startswith("#")]
    built = [step for step in steps if step != "FROM"]
    if built:
        raise NotServedError(
            f"declarative images with build steps ({built[0]}) are not implemented by the local "
            "host: use the default snapshot or a plain base image"
        )
    if not steps:
        msg = "the Dockerfile names no base image"
        raise BadRequestError(msg)

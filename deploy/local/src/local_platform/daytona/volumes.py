"""Volumes: named folders that sandboxes may share."""

import uuid

from local_platform.daytona.errors import ConflictError, NotFoundError
from local_platform.daytona.homes import Homes
from local_platform.daytona.model import Volume
from local_platform.daytona.records import Records


class Volumes:
    def __init__(self, records: Records, homes: Homes) -> None:
        self._records = records
        self._homes = homes

    def all(self) -> list[Volume]:
        return sorted(self._records.volumes.all(), key=lambda volume: volume.created_at)

    def find(self, id_or_name: str) -> Volume:
        found = self._records.volumes.get(id_or_name) or self._named(id_or_name)
        if found is None:
            raise NotFoundError(f"Volume with ID or name {id_or_name} not found")
        return found

    def by_name(self, name: str) -> Volume:
        found = self._named(name)
        if found is None:
            raise NotFoundError(f"Volume with name {name} not found")
        return found

    def create(self, name: str) -> Volume:
        if self._named(name) is not None:
            raise ConflictError(f"Volume with name {name} already exists")
        volume = Volume(id=str(uuid.uuid4()), name=name)
        self._homes.create_volume(volume.id)
        self._records.volumes.put(volume)
        return volume

    def delete(self, volume: Volume) -> None:
        users = [
            sandbox.name
            for sandbox in self._records.sandboxes.all()
            if any(mount.volume_id == volume.id for mount in sandbox.volumes)
        ]
        if users:
            raise ConflictError(f"Volume {volume.name} is used by {', '.join(users)}")
        self._homes.delete_volume(volume.id)
        self._records.volumes.remove(volume.id)

    def _named(self, name: str) -> Volume | None:
        return next(
            (volume for volume in self._records.volumes.all() if volume.name == name), None
        )

"""What a sandbox is given."""

from common.contracts.base import Message


class Resources(Message):
    """What the provider gives a sandbox at the most."""

    cpu: float
    memory_gib: float
    disk_gib: float

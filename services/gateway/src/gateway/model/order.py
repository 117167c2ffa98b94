"""Every number once and in order, whatever arrives from history and live."""

from enum import Enum

from gateway.model.frames import Frame


class Place(Enum):
    """Where a frame stands to what was sent: the next, seen already, or behind a gap."""

    NEXT = "next"
    SEEN = "seen"
    GAP = "gap"


class Order:
    """Keeps the last number sent and admits what follows it."""

    def __init__(self, after: int) -> None:
        self.sent = after

    def admit(self, frame: Frame) -> Place:
        """NEXT counts as sent. A frame that begins before and ends after the last number sent is a
        gap: history is asked for the part that is missing.
        """
        if frame.last <= self.sent:
            return Place.SEEN
        if frame.first != self.sent + 1:
            return Place.GAP
        self.sent = frame.last
        return Place.NEXT

"""Failures only this service can explain."""

from common.errors import InternalError


class SealBrokenError(InternalError):
    """A sealed value does not open: another key, another row, or altered bytes."""

"""A client of the platform's HTTP API, and the `tryskills` command on it.

It knows the wire and nothing of the services behind it. Answers are read tolerantly: a field that
is not known here is left in `raw`, so a newer platform does not break an older client.
"""

from tryskills.client import Client
from tryskills.errors import ApiError, UnreachableError
from tryskills.models import Download, Entry, Launch, Session, Skill, Turn

__all__ = [
    "ApiError",
    "Client",
    "Download",
    "Entry",
    "Launch",
    "Session",
    "Skill",
    "Turn",
    "UnreachableError",
]

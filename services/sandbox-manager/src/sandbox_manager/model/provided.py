"""A sandbox as its provider tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sandbox_manager.model.record import Resources


class ProvidedState(StrEnum):
    """What the provider says of a sandbox, in the few words that matter here."""

    STARTED = "started"
    STOPPED = "stopped"
    CHANGING = "changing"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True)
class ProvidedSandbox:
    id: str
    name: str
    state: ProvidedState
    labels: Mapping[str, str]
    reason: str = ""
    resources: Resources | None = None


DEPLOYMENT_LABEL = "tryskills-deployment"
OWNER_LABEL = "tryskills-owner"
CREATE_LABEL = "tryskills-create"
SOURCE_LABEL = "tryskills-source"
IMAGE_LABEL = "tryskills-image"
"""Set at creation; how a sandbox is found when its record is not there."""

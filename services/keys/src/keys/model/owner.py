"""An owner: the random id that stands for a person everywhere else."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Identity:
    """Who a verified token names."""

    issuer: str
    subject: str


@dataclass(frozen=True)
class Owner:
    id: str
    created_at: datetime

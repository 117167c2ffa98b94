"""The use cases of the resolver."""

from skill_resolver.service.resolver import Resolver, Rules
from skill_resolver.service.snapshots import SnapshotBudget, Snapshots

__all__ = ["Resolver", "Rules", "SnapshotBudget", "Snapshots"]

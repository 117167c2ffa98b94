"""When a sandbox counts as used.

A launch or turn uses it, and an open page says that somebody is there; but a tab that was
forgotten keeps nothing running for ever.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from common.contracts.sandbox import SandboxState

from sandbox_manager.model.sandbox import Sandbox


@dataclass(frozen=True)
class IdlePolicy:
    """Stop `stop_after` the last sign of use; an open tab counts as one for `tab_limit` after the
    last launch or turn.
    """

    stop_after: timedelta
    tab_limit: timedelta

    def is_idle(self, sandbox: Sandbox, now: datetime) -> bool:
        """Whether it runs for nobody. What a turn uses or a launch changes is never idle."""
        quiet_since = self._quiet_since(sandbox)
        is_running = sandbox.state is SandboxState.ACTIVE and sandbox.is_free(now)
        return is_running and quiet_since is not None and now - quiet_since >= self.stop_after

    def does_tab_count(self, sandbox: Sandbox, now: datetime) -> bool:
        used_at = _used_at(sandbox)
        return used_at is not None and now - used_at < self.tab_limit

    def _quiet_since(self, sandbox: Sandbox) -> datetime | None:
        used_at, beat = _used_at(sandbox), sandbox.last_heartbeat
        if used_at is None or beat is None:
            return used_at or beat
        return max(used_at, min(beat, used_at + self.tab_limit))


def _used_at(sandbox: Sandbox) -> datetime | None:
    return sandbox.last_used_at or sandbox.created_at

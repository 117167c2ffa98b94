"""What a launch has to do, decided from the record alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from common.contracts.sandbox import LaunchPath, LaunchSkill, SandboxState

from sandbox_manager.model.sandbox import Sandbox

AGENT_PORT = 9119
RAW_PORT = 8642
PREVIEW_TTL = timedelta(minutes=60)
PREVIEW_TRUST = timedelta(minutes=50)
HEARTBEAT_TRUST = timedelta(minutes=30)


@dataclass(frozen=True)
class Instant:
    """Nothing: the stored URL serves."""


@dataclass(frozen=True)
class Install:
    """Put the skill's files into the sandbox, woken first where it sleeps."""

    write_config: bool
    wake: bool


@dataclass(frozen=True)
class Create:
    """Take the create lock and make a sandbox."""


@dataclass(frozen=True)
class Wait:
    """Another launch creates, or a deletion is under way; plan again when it has ended."""


Plan = Instant | Install | Create | Wait

PATHS: dict[type, LaunchPath] = {
    Instant: LaunchPath.INSTANT,
    Install: LaunchPath.INSTALL,
    Create: LaunchPath.CREATE,
}


def plan(sandbox: Sandbox, skill: LaunchSkill, config_hash: str, now: datetime) -> Plan:
    """The least that makes `skill` ready in `sandbox` at `now`."""
    if sandbox.state in {SandboxState.CREATING, SandboxState.DELETING}:
        return Wait()
    if sandbox.state is SandboxState.ABSENT:
        return Create()
    is_configured = sandbox.has_config(config_hash)
    if sandbox.state is SandboxState.STOPPED:
        return Install(write_config=not is_configured, wake=True)
    if is_configured and is_installed(sandbox, skill) and is_reachable(sandbox, now):
        return Instant()
    return Install(write_config=not is_configured, wake=False)


def is_installed(sandbox: Sandbox, skill: LaunchSkill) -> bool:
    """The same bytes in the same directory."""
    found = sandbox.installed(skill.directory)
    return found is not None and found.skill.digest == skill.digest


def is_reachable(sandbox: Sandbox, now: datetime) -> bool:
    """The stored URL is young enough and somebody was there lately."""
    return is_preview_fresh(sandbox, AGENT_PORT, now) and is_heartbeat_recent(sandbox, now)


def is_preview_fresh(sandbox: Sandbox, port: int, now: datetime) -> bool:
    """Signed for an hour, trusted for 50 minutes."""
    access = sandbox.preview(port)
    return access is not None and now - access.minted_at < PREVIEW_TRUST


def is_heartbeat_recent(sandbox: Sandbox, now: datetime) -> bool:
    beat = sandbox.last_heartbeat
    return beat is not None and now - beat <= HEARTBEAT_TRUST

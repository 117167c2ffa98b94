"""Records as Daytona's API writes them: every field the SDK requires, and then some."""

from datetime import datetime
from typing import Any

from local_platform.daytona.model import (
    ORGANIZATION,
    Sandbox,
    Snapshot,
    State,
    Volume,
    VolumeMount,
)

DESIRED = {
    State.CREATING: "started", State.STARTING: "started", State.RESTORING: "started",
    State.STARTED: "started", State.STOPPING: "stopped", State.STOPPED: "stopped",
    State.ARCHIVING: "archived", State.ARCHIVED: "archived",
    State.DESTROYING: "destroyed", State.DESTROYED: "destroyed", State.ERROR: "stopped",
}  # fmt: skip
LIST_OMITS = ("env", "kvm", "volumes", "buildInfo")
DAEMON_VERSION = "0.226.1-local"


def moment(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sandbox_body(sandbox: Sandbox, toolbox_url: str) -> dict[str, Any]:
    body = {
        "id": sandbox.id,
        "organizationId": ORGANIZATION,
        "name": sandbox.name,
        "snapshot": sandbox.snapshot,
        "user": sandbox.user,
        "env": sandbox.env,
        "labels": sandbox.labels,
        "public": sandbox.public,
        "networkBlockAll": sandbox.network_block_all,
        "networkAllowList": sandbox.network_allow_list,
        "domainAllowList": sandbox.domain_allow_list,
        "kvm": False,
        "spot": False,
        "target": sandbox.target,
        "cpu": sandbox.cpu,
        "gpu": 0,
        "memory": sandbox.memory,
        "disk": sandbox.disk,
        "state": sandbox.state,
        "desiredState": DESIRED[sandbox.state],
        "errorReason": sandbox.error_reason,
        "recoverable": False,
        "backupState": "Completed" if sandbox.state == State.ARCHIVED else "None",
        "autoStopInterval": sandbox.auto_stop,
        "autoPauseInterval": sandbox.auto_pause,
        "autoArchiveInterval": sandbox.auto_archive,
        "autoDeleteInterval": sandbox.auto_delete,
        "volumes": [mount_body(mount) for mount in sandbox.volumes],
        "createdAt": moment(sandbox.created_at),
        "updatedAt": moment(sandbox.updated_at),
        "lastActivityAt": moment(sandbox.last_activity_at),
        "sandboxClass": "container",
        "daemonVersion": DAEMON_VERSION,
        "runnerId": "local",
        "toolboxProxyUrl": toolbox_url,
    }
    if sandbox.destroy_at is not None:
        body["autoDestroyAt"] = moment(sandbox.destroy_at)
    if sandbox.dockerfile is not None:
        body["buildInfo"] = build_body(sandbox.dockerfile, sandbox.created_at, sandbox.snapshot)
    return {name: value for name, value in body.items() if value is not None}


def list_body(sandbox: Sandbox, toolbox_url: str) -> dict[str, Any]:
    body = sandbox_body(sandbox, toolbox_url)
    return {name: value for name, value in body.items() if name not in LIST_OMITS}


def mount_body(mount: VolumeMount) -> dict[str, Any]:
    body = {"volumeId": mount.volume_id, "mountPath": mount.mount_path}
    return body | ({"subpath": mount.subpath} if mount.subpath else {})


def build_body(dockerfile: str, when: datetime, snapshot: str) -> dict[str, Any]:
    return {
        "dockerfileContent": dockerfile,
        "createdAt": moment(when),
        "updatedAt": moment(when),
        "snapshotRef": snapshot,
    }


def snapshot_body(snapshot: Snapshot) -> dict[str, Any]:
    body = {
        "id": snapshot.id,
        "organizationId": ORGANIZATION,
        "general": snapshot.general,
        "name": snapshot.name,
        "imageName": snapshot.image or "",
        "state": snapshot.state,
        "size": 0.22,
        "entrypoint": snapshot.entrypoint,
        "cpu": snapshot.cpu,
        "gpu": 0,
        "mem": snapshot.memory,
        "disk": snapshot.disk,
        "errorReason": None,
        "createdAt": moment(snapshot.created_at),
        "updatedAt": moment(snapshot.updated_at),
        "lastUsedAt": moment(snapshot.last_used_at) if snapshot.last_used_at else None,
        "regionIds": ["local"],
        "ref": snapshot.name,
        "sourceSandboxId": None,
        "sandboxClass": "container",
    }
    if snapshot.dockerfile is not None:
        body["buildInfo"] = build_body(snapshot.dockerfile, snapshot.created_at, snapshot.name)
    return body


def volume_body(volume: Volume) -> dict[str, Any]:
    return {
        "id": volume.id,
        "name": volume.name,
        "organizationId": ORGANIZATION,
        "state": "ready",
        "createdAt": moment(volume.created_at),
        "updatedAt": moment(volume.updated_at),
        "lastUsedAt": moment(volume.last_used_at) if volume.last_used_at else None,
        "errorReason": None,
    }

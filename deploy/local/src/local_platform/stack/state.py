"""`platform.json`: what runs, for whoever wants to find it; there only while the platform is
ready.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from local_platform.stack import supervision
from local_platform.stack.files import write_private
from local_platform.stack.layout import Layout
from local_platform.stack.ports import HOST, Ports
from local_platform.stack.processes import Process


def url_of(ports: Ports) -> str:
    return f"http://{HOST}:{ports['gateway']}"


def write(layout: Layout, ports: Ports, processes: Sequence[Process], supervisor_pid: int) -> None:
    pids = {condition.name: condition.pid for condition in supervision.conditions(layout)}
    content = {
        "url": url_of(ports),
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "supervisor_pid": supervisor_pid,
        "logs": str(layout.logs),
        "processes": {
            process.name: {
                "pid": pids.get(process.name),
                "port": process.port,
                "env_file": str(layout.env / f"{process.name}.env"),
                "log": str(layout.log(process.name)),
            }
            for process in processes
        },
    }
    write_private(layout.platform_file, json.dumps(content, indent=2) + "\n")
    layout.platform_file.chmod(0o644)


def read(layout: Layout) -> dict[str, Any] | None:
    """What runs now, or None when nothing does or it is not ready."""
    if supervision.running(layout) is None:
        return None
    try:
        content = json.loads(layout.platform_file.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def forget(layout: Layout) -> None:
    layout.platform_file.unlink(missing_ok=True)

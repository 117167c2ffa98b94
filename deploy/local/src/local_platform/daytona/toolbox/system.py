"""What a sandbox says of itself: folders, ports in use, load."""

import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from .environment import Environment
from .errors import bad_request
from .requests import body_of, strings, variables

VERSION = "0.226.1-local"
LISTENING = "0A"


class System:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    async def version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": VERSION})

    async def folder(self, _: web.Request) -> web.Response:
        return web.json_response({"dir": str(Path.home())})

    async def update_env(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        changed = self._environment.update(variables(body, "set"), strings(body, "unset"))
        return web.json_response(changed)

    async def metrics(self, _: web.Request) -> web.Response:
        disk = shutil.disk_usage(Path.home())
        total, free = memory()
        return web.json_response(
            {
                "timestamp": datetime.now(UTC).isoformat(),
                "cpuCount": os.cpu_count() or 1,
                "cpuUsedPct": round(min(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0) * 100, 1),
                "memTotal": total,
                "memUsed": total - free,
                "memCache": 0,
                "diskTotal": disk.total,
                "diskUsed": disk.used,
                "uptimeSeconds": int(time.monotonic()),
            }
        )

    async def ports(self, _: web.Request) -> web.Response:
        return web.json_response({"ports": sorted(listening_ports())})

    async def port_in_use(self, request: web.Request) -> web.Response:
        port = request.match_info["port"]
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise bad_request(f"{port!r} is no port")
        return web.json_response({"isInUse": int(port) in listening_ports()})


def memory() -> tuple[int, int]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return sizes["MemTotal"], sizes.get("MemAvailable", 0)


def listening_ports() -> set[int]:
    rows = [
        row.split()
        for name in ("tcp", "tcp6")
        if (table := Path("/proc/net") / name).exists()
        for row in table.read_text().splitlines()[1:]
    ]
    return {int(row[1].rsplit(":", 1)[1], 16) for row in rows if row[3] == LISTENING}

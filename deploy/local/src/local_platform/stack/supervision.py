"""`supervisord` as the keeper of the processes: its configuration, its start, its words."""

import asyncio
import contextlib
import os
import resource
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]  # ships no types

from local_platform.stack import environment
from local_platform.stack.files import write_private
from local_platform.stack.layout import Layout
from local_platform.stack.processes import INFRASTRUCTURE, MACHINERY, SERVICES, Process

RESTARTS = 10
LOG_SIZE = "10MB"
LOGS_KEPT = 3
MOST_FILES = 65_536
MARGIN_S = 10.0


@dataclass(frozen=True)
class Condition:
    """What `supervisord` says of a process; `ended_at` tells one end from the next."""

    name: str
    state: str
    pid: int
    ended_at: int
    fault: str
    detail: str
    uptime_s: int


def configure(layout: Layout, processes: Sequence[Process], operator: Mapping[str, str]) -> None:
    """Write the configuration, and for every process its environment and a script that runs it."""
    for process in processes:
        env_file = environment.write(process, operator, layout)
        command = shlex.join([*dies_with_parent(), *process.command])
        script = f". {shlex.quote(str(env_file))}\nexec {command}\n"
        write_private(layout.script(process.name), script)
    parts = [_head(layout), *(_program(layout, p) for p in processes), *_groups(processes)]
    write_private(layout.supervisor_config, "\n".join(parts))


def _head(layout: Layout) -> str:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    return f"""\
[unix_http_server]
file={_plain(layout.supervisor_socket)}
chmod=0700
[supervisord]
nodaemon=true
silent=true
logfile={_plain(layout.logs / "supervisord.log")}
logfile_maxbytes={LOG_SIZE}
logfile_backups={LOGS_KEPT}
pidfile={_plain(layout.supervisor_pid)}
minfds={files}
{_user()}[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def _user() -> str:
    # Without it a supervisor of root warns that it drops no privileges.
    return "user=root\n" if os.geteuid() == 0 else ""


def _program(layout: Layout, process: Process) -> str:
    command = shlex.join(["/bin/sh", str(layout.script(process.name))])
    return f"""\
[program:{process.name}]
command={_plain(command)}
autorestart=true
startsecs=1
startretries={RESTARTS}
stopsignal=TERM
stopwaitsecs={process.stop_s}
killasgroup=true
redirect_stderr=true
stdout_logfile={_plain(layout.log(process.name))}
stdout_logfile_maxbytes={LOG_SIZE}
stdout_logfile_backups={LOGS_KEPT}
"""


def _groups(processes: Sequence[Process]) -> list[str]:
    # The processes of one group are stopped side by side, and a lower priority later.
    texts = []
    for priority, group in enumerate((INFRASTRUCTURE, MACHINERY, SERVICES), start=1):
        names = ",".join(process.name for process in processes if process.group == group)
        if names:
            texts.append(f"[group:{group}]\nprograms={names}\npriority={priority * 10}\n")
    return texts


def dies_with_parent() -> list[str]:
    """The words before a command that have it end with its parent, where the system knows them."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _plain(text: object) -> str:
    # A percent sign begins an expansion in this configuration.
    return str(text).replace("%", "%%")


def longest_stop_s(processes: Sequence[Process]) -> float:
    """How long `supervisord` may take until all groups have ended."""
    groups = {process.group for process in processes}
    slowest = (max(p.stop_s for p in processes if p.group == group) for group in groups)
    return float(sum(slowest)) + MARGIN_S


async def start(
    layout: Layout, operator: Mapping[str, str], *, detached: bool
) -> asyncio.subprocess.Process:
    """Start `supervisord`; unless `detached` it ends with this process."""
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(layout.supervisor_config)]
    with (layout.logs / "supervisord.out").open("wb") as out:
        return await asyncio.create_subprocess_exec(
            *([] if detached else dies_with_parent()),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
            env=environment.base(operator, layout),
            start_new_session=True,
        )


def running(layout: Layout) -> psutil.Process | None:
    """The `supervisord` of this stack, if one runs."""
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(layout.supervisor_pid.read_text()))
        if process.environ().get(environment.MARK) == str(layout.root):
            return process
    return None


def conditions(layout: Layout) -> list[Condition]:
    """The condition of every process; none while `supervisord` does not answer."""
    with contextlib.suppress(OSError, Fault):
        return [_condition(told) for told in _words(layout).getAllProcessInfo()]
    return []


@contextlib.contextmanager
def taken_out(layout: Layout, process: str) -> Iterator[None]:
    """Stop a process for a while."""
    words = _words(layout)
    name = _full_name(words, process)
    words.stopProcess(name)
    try:
        yield
    finally:
        words.startProcess(name)


@contextlib.contextmanager
def killed(layout: Layout, process: str) -> Iterator[None]:
    """Kill a process, as the kernel does when memory is short, and keep it away for a while."""
    words = _words(layout)
    name = _full_name(words, process)
    pid = int(words.getProcessInfo(name)["pid"])
    # Frozen, so that it hears nothing of being told to stop.
    os.kill(pid, signal.SIGSTOP)
    words.stopProcess(name, False)
    os.kill(pid, signal.SIGKILL)
    try:
        yield
    finally:
        words.startProcess(name)


def _full_name(words: Any, process: str) -> str:
    group = next(t["group"] for t in words.getAllProcessInfo() if t["name"] == process)
    return f"{group}:{process}"


def _words(layout: Layout) -> Any:
    transport = SupervisorTransport(None, None, f"unix://{layout.supervisor_socket}")
    proxy: Any = ServerProxy("http://127.0.0.1", transport=transport)
    return proxy.supervisor


def _condition(told: Mapping[str, Any]) -> Condition:
    return Condition(
        name=told["name"],
        state=told["statename"],
        pid=told["pid"],
        ended_at=told["stop"],
        fault=told["spawnerr"],
        detail=told["description"],
        uptime_s=told["now"] - told["start"] if told["pid"] else 0,
    )

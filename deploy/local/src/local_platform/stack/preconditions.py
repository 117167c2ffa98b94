"""What a machine needs before anything starts."""

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_platform.stack.console import Console
from local_platform.stack.faults import FaultError
from local_platform.stack.layout import Layout
from local_platform.stack.processes import Process

MEBIBYTE = 1024 * 1024
INSTALL = {
    "apt-get": "sudo apt-get install -y bubblewrap",
    "dnf": "sudo dnf install -y bubblewrap",
    "pacman": "sudo pacman -S --noconfirm bubblewrap",
    "zypper": "sudo zypper install -y bubblewrap",
    "apk": "sudo apk add bubblewrap",
}
APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
ISOLATION = "LOCAL_DAYTONA_ISOLATION"
TRIAL = ("--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "true")


def check_disk(layout: Layout, min_free_mb: int) -> None:
    """Raise FaultError when the disk is nearly full."""
    free_mb = shutil.disk_usage(layout.root).free // MEBIBYTE
    if free_mb < min_free_mb:
        raise FaultError(
            f"Only {free_mb} MB are free on the disk of {layout.root}, and {min_free_mb} MB are"
            " needed. Free some space, or choose another place with LOCAL_DIR=<directory>"
            " (LOCAL_MIN_FREE_MB changes the limit)."
        )


async def check_isolation(
    processes: Sequence[Process], operator: Mapping[str, str], console: Console
) -> None:
    """See that sandboxes can be isolated; install bubblewrap where that is possible."""
    if operator.get(ISOLATION) == "none":
        console.say(f"{ISOLATION}=none: skills run on this machine WITHOUT any isolation.")
        return
    if not any(process.name == "daytona" for process in processes):
        return
    if shutil.which("bwrap") is None:
        await _install(console)
    await _try()


async def _install(console: Console) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise FaultError(f"bubblewrap is missing; sandboxes need it. Install it: {_command()}")
    console.step("bubblewrap is missing; installing it with apt-get")
    for arguments in (("update",), ("install", "-y", "bubblewrap")):
        code, output = await _run("apt-get", *arguments)
        if code and arguments[0] == "install":
            raise FaultError(f"bubblewrap could not be installed: {output[-500:]}")


def _command() -> str:
    found = next((text for tool, text in INSTALL.items() if shutil.which(tool)), None)
    return found or "the package is called bubblewrap on most systems."


async def _try() -> None:
    code, output = await _run("bwrap", *TRIAL)
    if not code:
        return
    said = output.strip()[:200]
    raise FaultError(f"bubblewrap cannot make a sandbox here ({said}). {_advice()}")


def _advice() -> str:
    if APPARMOR.exists() and APPARMOR.read_text().strip() == "1":
        return (
            "Ubuntu's AppArmor forbids it; allow it with:"
            " sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )
    return "The kernel must allow unprivileged user namespaces."


async def _run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, output.decode(errors="replace")

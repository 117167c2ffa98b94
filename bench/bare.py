"""The baseline: a bare `hermes gateway run`, from start until `/health` answers."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
from common.testing.servers import free_port

UP_S = 60
KEY = "bench-key-of-a-bare-hermes"
CONFIG = """model: {default: none, provider: custom, base_url: "http://127.0.0.1:9/v1", api_key: x}
security: {tirith_enabled: false, allow_lazy_installs: false}
"""


def boot_ms(hermes: Path, runs: int) -> list[float]:
    """Milliseconds of each boot, in one home that was used before, as a sandbox's snapshot is."""
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "config.yaml").write_text(CONFIG)
        _boot(hermes, Path(home))
        return [_boot(hermes, Path(home)) for _ in range(runs)]


def _boot(hermes: Path, home: Path) -> float:
    port = free_port()
    environment = {
        "PATH": os.defpath,
        "HOME": str(home),
        "HERMES_HOME": str(home),
        "HERMES_GATEWAY_MAX_STARTS": "0",
        "API_SERVER_ENABLED": "true",
        "API_SERVER_KEY": KEY,
        "API_SERVER_PORT": str(port),
    }
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(hermes), "gateway", "run"],
        env=environment,
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _healthy(f"http://127.0.0.1:{port}/health")
        return (time.perf_counter() - started) * 1000
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _healthy(url: str) -> None:
    deadline = time.monotonic() + UP_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=1).status_code == 200:
                return
        time.sleep(0.005)
    message = "the bare Hermes did not answer"
    raise TimeoutError(message)

"""What only passes bytes on, as baselines: nginx, and a Node `fetch` of some 20 lines."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from common.testing.servers import free_port

_UP_S = 10.0
_SCRIPT = Path(__file__).with_name("passthrough.mjs")
_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass {upstream};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 300s;
    }}
  }}
}}
"""


@contextmanager
def running(name: str, upstream: str) -> Iterator[tuple[list[int], int] | None]:
    """Its processes and its port, or None where the program is missing."""
    program = shutil.which("node" if name == "node" else "nginx")
    if program is None:
        print(f"{name} is not here: no figures beside it, and none that has it as baseline")
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        if name == "node":
            command = [program, str(_SCRIPT), upstream, str(port)]
        else:
            config = Path(folder) / "nginx.conf"
            config.write_text(_NGINX.format(folder=folder, port=port, upstream=upstream))
            command = [program, "-c", str(config), "-p", folder]
        process = subprocess.Popen(command)
        try:
            _wait_for(port)
            children = psutil.Process(process.pid).children(recursive=True)
            yield [process.pid, *(child.pid for child in children)], port
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _UP_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    message = f"nothing listens on port {port}"
    raise TimeoutError(message)

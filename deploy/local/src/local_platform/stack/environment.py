"""What each process sees of the environment: what it needs, and nothing of the others'."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from local_platform.stack.files import write_private
from local_platform.stack.layout import Layout
from local_platform.stack.processes import Process

MARK = "LOCAL_STACK"
"""The variable by which every process of a stack is known."""

EVERYBODY = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "NO_COLOR"}
EVERYBODY_PREFIXES = ("LC_", "SSL_CERT_", "PYTHON", "OTEL_", "LOG_", "XDG_", "STREAM_")
NOBODY = {"PYTHONDONTWRITEBYTECODE"}
"""Without compiled modules on disk ten processes would compile the same ones at every start."""

PROXIES = {f"{scheme}_proxy" for scheme in ("http", "https", "all", "no")}


def base(operator: Mapping[str, str], layout: Layout) -> dict[str, str]:
    """What every process is given."""
    kept = {
        name: value
        for name, value in operator.items()
        if name not in NOBODY
        and (name in EVERYBODY or name.startswith(EVERYBODY_PREFIXES) or name.lower() in PROXIES)
    }
    return kept | {MARK: str(layout.root)}


def of(process: Process, operator: Mapping[str, str]) -> dict[str, str]:
    """What one process is given on top; what the operator set by hand wins."""
    by_hand = {
        name: value
        for name, value in operator.items()
        if process.prefixes and name.startswith(process.prefixes)
    }
    return {**process.environment, **by_hand}


def write(process: Process, operator: Mapping[str, str], layout: Layout) -> Path:
    """The process's environment as a file for a shell: `. .local/env/keys.env` works too."""
    return write_named(process.name, of(process, operator), layout)


def write_named(name: str, variables: Mapping[str, str], layout: Layout) -> Path:
    """The same for somebody who is no process of the stack."""
    path = layout.env / f"{name}.env"
    lines = (f"export {key}={shlex.quote(value)}\n" for key, value in sorted(variables.items()))
    write_private(path, "".join(lines))
    return path

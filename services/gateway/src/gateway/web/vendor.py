"""`python -m gateway.web.vendor`: copy the pinned browser files from npm into `static/vendor`.

Needed only to change a version; the files are part of the source, so nothing is fetched to run.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parent / "static" / "vendor"

# package@version -> its SHA-512 as npm states it, and what is copied under which name. One name
# is one file: htmx starts by a timer, and an extension must not come after that.
PACKAGES = {
    "htmx.org@4.0.1": (
        "sha512-oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg==",
        {
            "dist/htmx.min.js": "htmx.min.js",
            "dist/ext/hx-sse.min.js": "htmx.min.js",
            "LICENSE": "htmx.LICENSE.txt",
        },
    ),
    "@picocss/pico@2.1.1": (
        "sha512-kIDugA7Ps4U+2BHxiNHmvgPIQDWPDU4IeU6TNRdvXQM1uZX+FibqDQT2xUOnnO2yq/LUHcwnGlu1hvf4KfXnMg==",
        {"css/pico.min.css": "pico.min.css", "LICENSE.md": "pico.LICENSE.txt"},
    ),
}


def main() -> None:
    VENDOR.mkdir(parents=True, exist_ok=True)
    for package, (integrity, wanted) in PACKAGES.items():
        with tempfile.TemporaryDirectory() as directory:
            archive = _packed(package, Path(directory))
            _check(package, archive, integrity)
            _copy(archive, wanted)
    sys.stdout.write(f"copied into {VENDOR}\n")


def _packed(package: str, directory: Path) -> Path:
    done = subprocess.run(
        ["npm", "pack", "--json", package],
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
    )
    return directory / str(json.loads(done.stdout)[0]["filename"])


def _check(package: str, archive: Path, integrity: str) -> None:
    digest = hashlib.sha512(archive.read_bytes()).digest()
    found = f"sha512-{base64.b64encode(digest).decode()}"
    if found != integrity:
        message = f"{package} is not what was pinned: {found}"
        raise SystemExit(message)


def _copy(archive: Path, wanted: dict[str, str]) -> None:
    with tarfile.open(archive) as packed:
        for target in set(wanted.values()):
            names = [name for name, wanted_as in wanted.items() if wanted_as == target]
            (VENDOR / target).write_bytes(b"\n".join(_content(packed, name) for name in names))


def _content(packed: tarfile.TarFile, name: str) -> bytes:
    file = packed.extractfile(f"package/{name}")
    if file is None:
        message = f"{name} is not in the package"
        raise SystemExit(message)
    return file.read()


if __name__ == "__main__":
    main()

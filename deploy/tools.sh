#!/usr/bin/env bash
# Run a tool of deploy/tools.txt, installed by hash below .local at first use: tools.sh PROGRAM [ARGUMENT...]
# `tools.sh --path PROGRAM` prints where it is.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
place=$top/.local/operate
stamp=$place/$(sha256sum "$top/deploy/tools.txt" | cut -c1-16)
if [ ! -e "$stamp" ]; then
    uv=$top/.local/tools/bin/uv
    [ -x "$uv" ] || { echo "tools: run make setup first" >&2; exit 1; }
    "$uv" venv --quiet --clear "$place" >&2
    VIRTUAL_ENV=$place "$uv" pip sync --quiet --require-hashes "$top/deploy/tools.txt" >&2
    touch "$stamp"
fi
if [ "$1" = --path ]; then
    echo "$place/bin/$2"
else
    program=$1
    shift
    exec "$place/bin/$program" "$@"
fi

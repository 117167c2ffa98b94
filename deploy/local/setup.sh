#!/usr/bin/env bash
# Create .venv: uv from PyPI, every pinned dependency checked against its hash, and our own packages.
# Usage: setup.sh PACKAGE_DIRECTORY...   (PYTHON=python3.12 chooses the interpreter)
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}

fail() {
    echo "setup: $1" >&2
    exit 1
}

command -v "$python" >/dev/null || fail "$python is not installed; tryskills needs Python 3.11 or newer (PYTHON=... chooses another)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old; tryskills needs Python 3.11 or newer (PYTHON=python3.12 chooses another)"

mkdir -p .local
tools=.local/tools
if [ ! -x "$tools/bin/uv" ]; then
    echo "setup: getting uv ..."
    rm -rf "$tools"
    if ! "$python" -m venv "$tools" >"$PWD/.local/setup.log" 2>&1; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
            rm -rf "$tools"
            "$python" -m venv "$tools"
        else
            fail "$python cannot make a virtual environment; on Debian or Ubuntu: sudo apt-get install python3-venv"
        fi
    fi
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.9" || {
        rm -rf "$tools"
        fail "uv could not be installed; is a package registry reachable?"
    }
fi

uv=$tools/bin/uv
echo "setup: installing into .venv ..."
[ -x .venv/bin/python ] || "$uv" venv --quiet --python "$("$python" -c 'import sys; print(sys.executable)')" .venv
editable=()
for package in "$@"; do editable+=(--editable "$package"); done
export VIRTUAL_ENV=$PWD/.venv
"$uv" pip sync --quiet --require-hashes --compile-bytecode requirements.lock
"$uv" pip install --quiet --no-deps "${editable[@]}"
touch .venv/.ready

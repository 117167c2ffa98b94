#!/bin/sh
# Install the programs that an image needs beside Python, by the package manager of whatever base it has.
set -eu
missing=
for package in "$@"; do
    program=$package
    [ "$package" != bubblewrap ] || program=bwrap
    command -v "$program" >/dev/null || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends $missing >/dev/null
    rm -rf /var/lib/apt/lists/*
elif command -v apk >/dev/null; then
    # shellcheck disable=SC2086
    apk add --no-cache --quiet $missing
elif command -v dnf >/dev/null; then
    # shellcheck disable=SC2086
    dnf install --quiet --assumeyes --setopt=install_weak_deps=False $missing
else
    echo "images: this base lacks$missing and has no package manager that is known here" >&2
    exit 1
fi

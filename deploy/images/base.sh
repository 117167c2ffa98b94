#!/usr/bin/env bash
# Make a base image with Python 3.11 from Debian packages, for machines that reach no image registry.
# Usage: base.sh [TAG]     (as root; MIRROR and SUITE choose other packages)
set -euo pipefail
tag=${1:-tryskills/base:bookworm}
suite=${SUITE:-bookworm}
# `python3-venv` brings pip to the build stage; the certificates are for https out of the services.
packages=python3,python3-venv,ca-certificates

command -v debootstrap >/dev/null || {
    echo "base: debootstrap is not installed (Debian: apt-get install debootstrap)" >&2
    exit 1
}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
echo "base: debootstrap $suite ..."
debootstrap --variant=minbase --include="$packages" "$suite" "$root" ${MIRROR:+"$MIRROR"} >"$root.log" ||
    { tail -20 "$root.log" >&2; exit 1; }
rm -rf "$root.log" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/usr/share/doc/*
tar --numeric-owner --one-file-system -C "$root" -c . |
    docker import --change 'CMD ["python3"]' --change 'ENV LANG=C.UTF-8' - "$tag" >/dev/null
echo "base: $tag"

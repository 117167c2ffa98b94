#!/usr/bin/env bash
# Build the images, one after another: build.sh [NAME...]   (all without a name)
#
#   BASE_IMAGE  python:3.11-slim-bookworm; where it cannot be had, one is made from Debian packages
#   PREFIX TAG  tryskills, dev: images are $PREFIX/<name>:$TAG
#   BUILD_CA    a file of certificates, for a package registry behind an authority of your own
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/images/engine.sh

prefix=${PREFIX:-tryskills}
tag=${TAG:-dev}
own_base=tryskills/base:bookworm
ca=${BUILD_CA-${SSL_CERT_FILE:-/dev/null}}

# name: where it lies, which stage, on which port its health is, which programs it needs
declare -A images=(
    [gateway]="services/gateway service 8000"
    [keys]="services/keys service 8101"
    [skill-resolver]="services/skill-resolver service 8102 git"
    [sandbox-manager]="services/sandbox-manager service 8103"
    [chat-proxy]="services/chat-proxy service 8104"
    [operate]="libs/operate service 8080"
    [local]="deploy/local local 13986 bubblewrap haproxy"
)
order=(keys skill-resolver sandbox-manager chat-proxy gateway operate local)

base() {
    local wanted=${BASE_IMAGE:-python:3.11-slim-bookworm}
    if have "$wanted" || "$docker" pull --quiet "$wanted" >/dev/null 2>&1; then
        echo "$wanted"
    elif [ -n "${BASE_IMAGE:-}" ]; then
        echo "images: $wanted is not here and cannot be pulled" >&2
        return 1
    else
        echo "images: $wanted cannot be pulled; using Debian packages instead" >&2
        have "$own_base" || deploy/images/base.sh "$own_base" >&2
        echo "$own_base"
    fi
}

have() {
    "$docker" image inspect "$1" >/dev/null 2>&1
}

build() {
    local name=$1 folder stage port packages service
    read -r folder stage port packages <<<"${images[$name]:?no image is called $name}"
    service=$name
    [ "$name" != local ] || service=local-platform
    echo "images: $prefix/$name:$tag ..."
    DOCKER_BUILDKIT=1 "$docker" build --quiet --file deploy/images/Dockerfile --target "$stage" \
        --build-arg BASE_IMAGE="$base_image" --build-arg SERVICE="$service" \
        --build-arg FOLDER="$folder" --build-arg PORT="$port" --build-arg PACKAGES="$packages" \
        --label org.opencontainers.image.version="$version" \
        --label org.opencontainers.image.revision="$revision" --secret id=ca,src="$ca" --tag "$prefix/$name:$tag" . >/dev/null
    mkdir -p .local/images
    "$docker" run --rm --network none --entrypoint cat "$prefix/$name:$tag" /app/sbom.cdx.json \
        >".local/images/$name.cdx.json"
}

base_image=$(base)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml | head -1)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
for name in "${@:-${order[@]}}"; do build "$name"; done
echo "images: done; their SBOMs (CycloneDX) are in .local/images"

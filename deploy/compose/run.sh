#!/usr/bin/env bash
# Compose with our file and our variables: run.sh up | down | any other command of it.
#
# Images of others that cannot be had are replaced by tryskills/local, which stands in for them.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/images/engine.sh
file=.local/compose/env
[ -f "$file" ] || {
    mkdir -p .local/compose
    .venv/bin/python -m local_platform.compose secrets "$file"
}
export COMPOSE_NAME=${COMPOSE_NAME:-tryskills} PREFIX=${PREFIX:-tryskills} TAG=${TAG:-dev}

compose() {
    local command=("$docker" compose)
    "$docker" compose version >/dev/null 2>&1 || command=(deploy/tools.sh docker-compose)
    "${command[@]}" --file deploy/compose.yaml --env-file "$file" "$@"
}

have() {
    "$docker" image inspect "$1" >/dev/null 2>&1
}

ours() {
    local missing=() name
    for name in keys skill-resolver sandbox-manager chat-proxy gateway local; do
        have "$PREFIX/$name:$TAG" || missing+=("$name")
    done
    [ ${#missing[@]} = 0 ] || deploy/images/build.sh "${missing[@]}"
}

# others VARIABLE: the image that compose.yaml names for it is here, can be pulled, or is stood in for.
others() {
    local image
    image=$(sed -n "s/.*\${$1:-\([^}]*\)}.*/\1/p" deploy/compose.yaml | head -1)
    image=${!1:-$image}
    have "$image" || "$docker" pull --quiet "$image" >/dev/null 2>&1 || {
        echo "compose: $image cannot be pulled; $PREFIX/local stands in" >&2
        image=$PREFIX/local:$TAG
    }
    export "$1=$image"
}

# Wait until every replica that has a health check has passed it.
healthy() {
    local deadline=$((SECONDS + ${WAIT:-240})) waiting
    while true; do
        waiting=$("$docker" ps --filter label=com.docker.compose.project="$COMPOSE_NAME" \
            --filter health=starting --filter health=unhealthy --format '{{.Names}}' | sort | xargs)
        [ -n "$waiting" ] || return 0
        [ $SECONDS -lt $deadline ] || break
        sleep 1
    done
    echo "compose: not ready: $waiting (deploy/compose/run.sh logs says why)" >&2
    return 1
}

case ${1:-} in
up)
    ours
    for variable in NATS_IMAGE MONGO_IMAGE OTEL_IMAGE HAPROXY_IMAGE; do others $variable; done
    compose up --detach "${@:2}"
    healthy
    echo "Ready: http://127.0.0.1:${PORT:-8000} (log in as anybody; make compose-token USER=alice for the API)"
    ;;
down) compose down --remove-orphans --timeout 15 "${@:2}" ;;
*) compose "$@" ;;
esac

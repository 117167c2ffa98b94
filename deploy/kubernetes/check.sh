#!/usr/bin/env bash
# Lint the chart, render it with every file of ci/, and validate what comes out against the schemas of
# Kubernetes, unknown fields refused. Needs no cluster.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rendered=$here/../../.local/chart
mkdir -p "$rendered"
for values in "$here"/ci/*.yaml; do
    name=$(basename "$values" .yaml)
    "$here/helm.sh" lint --strict --quiet "$here/tryskills" --values "$values"
    "$here/helm.sh" template try "$here/tryskills" --namespace tryskills --values "$values" >"$rendered/$name.yaml"
    for version in 1.30 1.37; do
        "$here/../tools.sh" kubernetes-validate --strict --quiet -k $version "$rendered/$name.yaml"
    done
    echo "chart: $name: $(grep -c '^kind:' "$rendered/$name.yaml") objects are valid"
done

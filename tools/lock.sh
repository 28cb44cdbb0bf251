#!/bin/sh
# Writes requirements/*.txt from pyproject.toml: exact versions with hashes, for every platform, and no registry's name.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links "$@"
}
compile pyproject.toml requirements/build.in --output-file requirements/serve.txt
compile pyproject.toml requirements/build.in requirements/dev.in --extra test --extra lint --extra bench \
    --constraint requirements/serve.txt --output-file requirements/dev.txt

#!/usr/bin/env bash
# Every check this project has: ./launch/test.sh [PYTEST ARGUMENTS]
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

prepare_environment test,edge
export JAX_PLATFORMS=cpu HF_HUB_OFFLINE=1 PATH="$venv/bin:$PATH"

ruff format --check .
ruff check .
mypy
lint-imports
shellcheck -x launch/*.sh .ci/run
pytest -n 2 "$@"

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
find launch .ci/run -type f \( -name '*.sh' -o -name run \) -exec shellcheck -x {} +
# Whole files, in the order of tests/conftest.py: what a file compiles and prepares is made by one
# process alone.
pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"

#!/usr/bin/env bash
# Every check this project has: ./launch/test.sh [--all] [PYTEST ARGUMENTS]
#
# Format, lint, types, imports, shell, and the tests. Those marked slow, a tenth at most, run with --all alone.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

if [[ ${1:-} == --help || ${1:-} == -h ]]; then
    show_head
    exit
fi
chosen=(-m 'not slow')
if [[ ${1:-} == --all ]]; then
    chosen=()
    shift
fi

prepare_environment test,edge,docs
export JAX_PLATFORMS=cpu HF_HUB_OFFLINE=1 PATH="$venv/bin:$PATH"

# Types take a core for minutes: beside the rest, the tests too; what is wrong is printed at the end.
SECONDS=0
types_log=$(mktemp)
mypy >"$types_log" 2>&1 &
types=$!
trap 'kill "$types" 2>/dev/null || true; rm -f "$types_log"' EXIT
ruff format --check .
ruff check .
lint-imports
find launch .ci/run -type f \( -name '*.sh' -o -name run \) -exec shellcheck -x {} +
printf 'test: format, lint, imports and shell took %d seconds\n' "$SECONDS"

# A process that has nothing left takes half of the other's tests, from the end: files stay together
# as far as they can, because their tests share what they prepare.
status=0
pytest -n 2 --dist worksteal ${chosen[@]+"${chosen[@]}"} "$@" || status=$?
wait "$types" || status=1
trap 'rm -f "$types_log"' EXIT
cat "$types_log"
[[ ${#chosen[@]} == 0 ]] || printf 'test: those marked slow were left out; with them: %s\n' "$(pasted "$0" --all "$@")"
printf 'test: all of it took %d seconds\n' "$SECONDS"
exit "$status"

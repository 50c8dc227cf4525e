#!/usr/bin/env bash
# Distil the built-in teacher on this machine: ./launch/quickstart.sh [WORKDIR] [--config.KEY=VALUE ...]
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

workdir=runs/quickstart
if [[ $# -gt 0 && $1 != -* ]]; then
    workdir=$1
    [[ $workdir == /* ]] || workdir=$PWD/$workdir
    shift
fi

prepare_environment
SECONDS=0
status=0
"$environment_python" -m distil_jax.main --config=quickstart "--workdir=$workdir" "$@" || status=$?
printf 'quickstart: run took %d seconds\n' "$SECONDS"
exit "$status"

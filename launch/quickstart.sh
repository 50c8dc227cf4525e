#!/usr/bin/env bash
# Distil the built-in teacher on this machine: ./launch/quickstart.sh [WORKDIR] [--config.KEY=VALUE ...]
#
# Makes .venv with the tested versions, if it is not there, and runs configs/quickstart.py into WORKDIR (runs/quickstart).
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

if [[ ${1:-} == --help || ${1:-} == -h ]]; then
    show_head
    exit
fi
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

#!/usr/bin/env bash
# A run on all GPUs of this machine: ./launch/gpu_node.sh [--dry-run] --config=FILE|NAME --workdir=DIR [--config.KEY=VALUE ...]
#
# One process drives all of them. A run that was lost is started again, up to RESTARTS (3) times in a row, and resumes
# from its last checkpoint; one that was stopped, diverged or was given something wrong is not. The environment is
# .venv with the cuda extra; DISTIL_JAX_PYTHON names another python.
#
# Never run on a real GPU.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

if [[ ${1:-} == --help ]]; then
    show_head
    exit
fi
dry_run=
if [[ ${1:-} == --dry-run ]]; then
    dry_run=yes
    shift
fi
[[ " $* " == *" --workdir="* ]] || misuse "no --workdir=DIR; usage: $0 [--dry-run] --config=NAME --workdir=DIR"
command -v nvidia-smi >/dev/null || fail "nvidia-smi is not on PATH; is this a machine with NVIDIA GPUs?"
gpus=$(nvidia-smi --list-gpus | grep -c '^GPU') || fail "nvidia-smi lists no GPU"

here=$PWD
if [[ -n ${DISTIL_JAX_PYTHON:-} ]]; then
    python=$DISTIL_JAX_PYTHON
    export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
elif [[ -n $dry_run ]]; then
    python=$environment_python
else
    prepare_environment cuda
    cd "$here"
    python=$environment_python
fi
run=("$python" -m distil_jax.main "$@")
if [[ -n $dry_run ]]; then
    printf '%q ' JAX_PLATFORMS=cuda "${run[@]}"
    printf '\n'
    exit
fi
printf 'gpu_node: %d GPUs\n' "$gpus"

child=
stopping=
stop() {
    stopping=yes
    [[ -z $child ]] || kill -TERM "$child" 2>/dev/null || true
}
# What bash starts in the background ignores SIGINT: it gets SIGTERM.
trap stop TERM INT
for ((attempt = 0; ; attempt++)); do
    JAX_PLATFORMS=cuda "${run[@]}" &
    child=$!
    [[ -z $stopping ]] || stop # asked just before
    status=0
    { wait "$child"; } 2>/dev/null || status=$?
    while kill -0 "$child" 2>/dev/null; do # a signal ended the wait, not the run
        status=0
        { wait "$child"; } 2>/dev/null || status=$?
    done
    again=0 # the run may have ended just after a signal had ended the wait
    { wait "$child"; } 2>/dev/null || again=$?
    ((again == 127 || again < 0)) || status=$again
    # Killed by a signal that was not ours: out of memory, a driver's fault.
    if ((status <= 128 || status == 143 || status == 130 || attempt == ${RESTARTS:-3})); then
        exit "$status"
    fi
    printf 'gpu_node: the run ended with status %d; restart %d of %d\n' "$status" $((attempt + 1)) "${RESTARTS:-3}"
done

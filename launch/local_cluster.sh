#!/usr/bin/env bash
# Several processes on this machine as one run: ./launch/local_cluster.sh N [flags of distil_jax.main]
#
# They meet over gloo. DEVICES=M simulates M CPU devices in each (1 if unset). The output is process 0's;
# errors are everybody's. If one fails, the others have GRACE_SECONDS (60) to end by themselves. The exit
# status is the highest of all. DISTIL_JAX_PYTHON names a python that has the package; otherwise .venv is made.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

if [[ ${1:-} == --help ]]; then
    show_head
    exit
fi
usage="usage: $0 PROCESSES --config=FILE|NAME --workdir=DIR [--config.KEY=VALUE ...]"
[[ ${1:-} =~ ^[1-9][0-9]*$ ]] || misuse "$usage"
count=$1
shift

if [[ -n ${DISTIL_JAX_PYTHON:-} ]]; then
    python=$DISTIL_JAX_PYTHON
    export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
else
    here=$PWD
    prepare_environment
    cd "$here"
    python=$environment_python
fi

export JAX_PLATFORMS=${JAX_PLATFORMS:-cpu} JAX_NUM_PROCESSES=$count
export XLA_FLAGS="${XLA_FLAGS:-} --xla_force_host_platform_device_count=${DEVICES:-1}"
if [[ -z ${JAX_COORDINATOR_ADDRESS:-} ]]; then
    port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
    export JAX_COORDINATOR_ADDRESS=localhost:$port
fi

processes=()
stopping=
tell_all() {
    kill -s "$1" ${processes[@]+"${processes[@]}"} 2>/dev/null || true
}
stop() {
    stopping=yes
    tell_all TERM
}
# What bash starts in the background ignores SIGINT: it gets SIGTERM.
trap stop TERM INT
trap 'tell_all KILL' EXIT

for ((index = 0; index < count; index++)); do
    JAX_PROCESS_ID=$index "$python" -m distil_jax.main "$@" </dev/null &
    processes+=($!)
done
[[ -z $stopping ]] || stop # asked while they were started

worst=0
deadline=
while ((${#processes[@]})); do
    left=()
    for process in "${processes[@]}"; do
        if kill -0 "$process" 2>/dev/null; then
            left+=("$process")
            continue
        fi
        status=0
        { wait "$process"; } 2>/dev/null || status=$? # the shell would report a kill, too
        ((status <= worst)) || worst=$status
        ((status == 0)) || deadline=${deadline:-$((SECONDS + ${GRACE_SECONDS:-60}))}
    done
    processes=(${left[@]+"${left[@]}"})
    if [[ -n $deadline ]] && ((SECONDS > deadline)); then
        printf 'error: %d processes did not end by themselves; they are killed\n' "${#processes[@]}" >&2
        tell_all KILL
        deadline=
    fi
    ((${#processes[@]} == 0)) || sleep 0.2 || true
done
exit "$worst"

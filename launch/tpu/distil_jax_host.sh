#!/usr/bin/env bash
# On each host of a slice, sent to its home by tpu_pod.sh: bash distil_jax_host.sh install | start FLAGS... | follow |
# state | stop | pack WORKDIR
#
# All of it is done once however often it is asked for: gcloud asks again when a connection breaks. The run holds a
# lock, which the kernel takes back however the run or the host ends.
# shellcheck disable=SC2329 # functions are called by their names, in the last line
set -euo pipefail

checkout=$HOME/distil_jax state_folder=$HOME/distil_jax_run
lock=$state_folder/lock log=$state_folder/log

fail() {
    printf '%s: error: %s\n' "$HOSTNAME" "$*" >&2
    exit 1
}

say() {
    printf '%s: %s\n' "$HOSTNAME" "$*"
}

# Holds the lock as descriptor 9, which children inherit; false if a run holds it.
hold_lock() {
    mkdir -p "$state_folder"
    exec 9>>"$lock"
    flock --timeout 1 9 # somebody may be looking
}

is_running() {
    ! flock --nonblock "$lock" true
}

install() {
    if ! hold_lock; then
        say "a run is going; its checkout is left as it is"
        return
    fi
    mkdir -p "$checkout"
    rm -rf "$checkout"/{distil_jax,configs,launch}
    tar -C "$checkout" -xf "$HOME/distil_jax.tar"
    [[ -z ${DISTIL_JAX_PYTHON:-} ]] || return 0
    # shellcheck source=launch/environment.sh
    source "$checkout/launch/environment.sh"
    if ! (find_python) >/dev/null 2>&1; then
        # The systems of TPU hosts have Python 3.10.
        python3 -m pip install --quiet --user uv
        python3 -m uv python install --quiet 3.12
        PYTHON=$(python3 -m uv python find 3.12)
    fi
    prepare_environment tpu,gcs | sed "s/^/$HOSTNAME: /"
}

start() {
    local asked
    printf -v asked '%q ' "$@"
    asked=${asked% }
    if ! hold_lock; then
        [[ $(cat "$state_folder/asked") == "$asked" ]] ||
            fail "another run is going ($(cat "$state_folder/asked")); stop it first: tpu_pod.sh stop"
        say "is running already"
        return
    fi
    [[ -d $checkout ]] || fail "nothing is installed here; first: tpu_pod.sh install"
    printf '%s\n' "$asked" >"$state_folder/asked"
    rm -f "$state_folder/ended"
    touch "$log"
    wc -c <"$log" >"$state_folder/begin"
    setsid nohup bash "${BASH_SOURCE[0]}" work "$@" >>"$log" 2>&1 </dev/null &
    echo $! >"$state_folder/process"
    say "started"
}

# The run itself, away from any connection.
work() {
    local child status=0 again=0
    cd "$checkout"
    trap : TERM # it comes to the whole group, by stop or by the host's shutdown
    # Without it JAX would continue on the CPU where it finds no chip.
    JAX_PLATFORMS=tpu,cpu "${DISTIL_JAX_PYTHON:-$checkout/.venv/bin/python}" -m distil_jax.main "$@" &
    child=$!
    wait "$child" || status=$?
    while kill -0 "$child" 2>/dev/null; do # a signal ended the wait, not the run
        status=0
        wait "$child" || status=$?
    done
    wait "$child" || again=$? # the run may have ended just after a signal had ended the wait
    ((again == 127 || again < 0)) || status=$again
    echo "$status" >"$state_folder/ended"
}

follow() {
    [[ -e $log ]] || fail "no run was started here"
    local begin=$(($(cat "$state_folder/begin") + 1)) status
    if is_running; then
        tail --bytes="+$begin" --follow --pid="$(cat "$state_folder/process")" "$log"
        flock "$lock" true # what is written last
    else
        tail --bytes="+$begin" "$log"
    fi
    status=$(cat "$state_folder/ended" 2>/dev/null) || fail "the run was killed, or its host restarted; tpu_pod.sh run resumes it"
    exit "$status"
}

state() {
    if ! [[ -d $checkout ]]; then
        say "nothing is installed"
    elif ! [[ -e $log ]]; then
        say "installed; no run was started"
    elif is_running; then
        say "running: $(cat "$state_folder/asked")"
    elif [[ -e $state_folder/ended ]]; then
        say "ended with status $(cat "$state_folder/ended"): $(cat "$state_folder/asked")"
    else
        say "was killed, or its host restarted: $(cat "$state_folder/asked")"
    fi
}

stop() {
    if ! [[ -e $log ]] || ! is_running; then
        say "nothing is running"
        return
    fi
    kill -TERM -- "-$(cat "$state_folder/process")"
    flock --timeout "${STOP_SECONDS:-600}" "$lock" true || fail "the run did not end within ${STOP_SECONDS:-600} seconds"
    local status
    status=$(cat "$state_folder/ended" 2>/dev/null) || fail "the run is gone and left no status; tpu_pod.sh run resumes it"
    say "stopped with status $status"
}

pack() {
    cd "$checkout"
    [[ -d $1 ]] || fail "there is no folder $1"
    tar -C "$1" --exclude=./checkpoints -czf "$HOME/distil_jax_results.tar.gz" .
}

# Read to its end before anything is done: this file may be sent again while it runs.
{
    "$@"
    exit
}

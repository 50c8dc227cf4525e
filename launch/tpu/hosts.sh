# Sourced by tpu_pod.sh: what is done on the hosts, through distil_jax_host.sh over there.
# shellcheck shell=bash disable=SC2154 # the options are tpu_pod.sh's

packed=(distil_jax configs launch setup.cfg pyproject.toml constraints.txt README.md LICENSE)

# What a run is given, before anything is asked for or started.
check_run() {
    local flag config='' path='/|[.]py$'
    workdir=''
    for flag in "$@"; do
        case $flag in
            --workdir=*) workdir=${flag#*=} ;;
            --config=*) config=${flag#*=} ;;
            --config.data.*=* | --config.teacher=* | --config.student.folder=*) check_reachable "$flag" ;;
        esac
    done
    [[ -n $config ]] || misuse "no --config=NAME after --"
    [[ ! $config =~ $path || ($config == configs/* && -f $root/$config) ]] ||
        misuse "--config=$config: the hosts get the files of $root/configs; copy it there, and name it configs/FILE.py"
    [[ -n $workdir ]] || misuse "no --workdir=gs://BUCKET/RUN after --"
    [[ $workdir == gs://?* || $hosts == 1 || -n $shared ]] ||
        misuse "--workdir=$workdir would be another folder on each of the $hosts hosts;" \
            "give --workdir=gs://BUCKET/RUN, or add --shared if all of them have mounted it"
}

check_reachable() {
    [[ -n $shared || ! -e ${1#*=} ]] ||
        misuse "$1 lies on this machine, where the hosts cannot read it;" \
            "type: gcloud storage cp --recursive ${1#*=} gs://BUCKET, and name it there"
}

# over_there WORDS...: the command for a host's shell, which its words survive; without an installation only
# `state` succeeds.
over_there() {
    local status=1
    [[ $1 != state ]] || status=0
    printf '%s' "test -e distil_jax_host.sh || { echo \"\$HOSTNAME: nothing is installed; type: tpu_pod.sh install\" >&2; " \
        "exit $status; }; $(pasted bash distil_jax_host.sh "$@")"
}

# remote WHAT NODES WORKERS WORDS...
remote() {
    local what=$1 nodes=$2 workers=$3
    shift 3
    cloud "$what" compute tpus queued-resources ssh "$name" "${where[@]}" "--node=$nodes" "--worker=$workers" \
        --quiet ${ssh_flags[@]+"${ssh_flags[@]}"} "--command=$(over_there "$@")"
}

install() {
    check_active
    # Of macOS: no files of its own.
    COPYFILE_DISABLE=1 local_command tar -C "$root" --exclude=__pycache__ -cf "$scratch/distil_jax.tar" "${packed[@]}"
    cloud "sending the checkout" compute tpus queued-resources scp "$here/tpu/distil_jax_host.sh" \
        "$scratch/distil_jax.tar" "$name:" "${where[@]}" --node=all --worker=all --quiet \
        ${ssh_flags[@]+"${ssh_flags[@]}"}
    say "installing on all hosts; the first time takes minutes"
    remote "the installation" all all install
}

run() {
    check_active
    remote "the start" all all start "$@" --config.processes.coordinator=auto
    say "the run continues by itself; follow it with: $(again logs)"
}

stop() {
    check_active
    remote "the stop" all all stop
}

status() {
    find_slices
    if [[ -z $state && -z $dry_run ]]; then
        say "there is no $name in $zone; type: $(again create)"
        return
    fi
    say "$name is $state: $found in $zone${reason:+; $reason}"
    if [[ $state == ACTIVE || -n $dry_run ]]; then remote "asking the hosts" all all state; fi
}

# Not through cloud: both streams are shown as they come, and the run's exit status is this command's.
logs() {
    local status=0 words=(gcloud compute tpus queued-resources ssh "$name" "${where[@]}" "--node=$node" "--worker=$worker"
        --batch-size=all --quiet ${ssh_flags[@]+"${ssh_flags[@]}"} "--command=$(over_there follow)")
    check_active
    if [[ -n $dry_run ]]; then
        pasted "${words[@]}"
        return
    fi
    { "${words[@]}" 2>&1 >&3 | tee "$scratch/stderr" >&2 || status=${PIPESTATUS[0]}; } 3>&1
    if ((status == 255)) || grep -qE '^ERROR: \(gcloud|Could not prepare' "$scratch/stderr"; then
        fail "following the run failed: $(advice "$status")"
    fi
    exit "$status"
}

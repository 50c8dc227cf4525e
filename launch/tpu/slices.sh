# Sourced by tpu_pod.sh: the slices, asked for as one queued resource.
# shellcheck shell=bash disable=SC2154,SC2034 # the options are tpu_pod.sh's; hosts is used in hosts.sh

# From the options: how gcloud names what is asked for, where it is, and how many hosts it has.
check_slices() {
    local pattern='^(([1-9][0-9]*)x)?(v[0-9]+[a-z]*)-([1-9][0-9]*)$'
    [[ $name =~ ^[a-z]([a-z0-9-]*[a-z0-9])?$ ]] || misuse "--name=$name must be small letters, digits and hyphens"
    [[ $topology =~ $pattern ]] || misuse "--topology=$topology must be like v4-32, v5e-16 or 2xv5e-16"
    slices=${BASH_REMATCH[2]:-1} generation=${BASH_REMATCH[3]} size=${BASH_REMATCH[4]}
    local system cores=8
    case $generation in
        v2 | v3 | v4) system=tpu-ubuntu2204-base ;;
        v5p) system=v2-alpha-tpuv5 ;;
        v5e | v5litepod) system=v2-alpha-tpuv5-lite generation=v5litepod ;;
        v6e) system=v2-alpha-tpuv6e ;;
        *) misuse "--topology=$topology: v2, v3, v4, v5e, v5p and v6e can be asked for here; later ones through gke.sh" ;;
    esac
    # One host has 4 chips of larger slices: 8 cores, where a type's name counts cores.
    case $generation in v5litepod | v6e) ((size <= 8)) || cores=4 ;; esac
    hosts=$((slices * ((size + cores - 1) / cores)))
    runtime=${runtime:-$system} accelerator=$generation-$size
    [[ -n $zone || $generation != v4 ]] || zone=us-central2-b
    [[ -n $zone ]] || misuse "no --zone=ZONE; see: gcloud compute tpus locations list"
    where=("--zone=$zone")
    [[ -z $project ]] || where+=("--project=$project")
}

# Sets state (empty: there is none), found (what it is) and reason (of a failure).
find_slices() {
    local line='' fields='state.state,tpu.nodeSpec[0].node.description,tpu.nodeSpec[0].node.acceleratorType.basename()'
    local words=(compute tpus queued-resources list "${where[@]}" "--filter=name~/$name\$"
        "--format=value($fields,state.failedData.error.message)")
    state='' found='' reason=''
    if [[ -n $dry_run ]]; then
        cloud list "${words[@]}"
        return
    fi
    line=$(cloud "looking for $name in $zone" "${words[@]}")
    state=$(cut -f1 <<<"$line" | head -n1)
    found=$(cut -f2 <<<"$line" | head -n1)
    [[ -n $found ]] || found=$(cut -f3 <<<"$line" | head -n1)
    reason=$(cut -f4- <<<"$line" | paste -sd' ' -)
}

# Ends with what to type where the slices will never be there as they are.
check_state() {
    case $state in
        FAILED | SUSPENDING | SUSPENDED | DELETING)
            fail "$name is $state${reason:+ ($reason)}, takes up quota and will not come back;" \
                "type: $(again delete), then this command again"
            ;;
    esac
}

create() {
    find_slices
    check_state
    if [[ -n $state ]]; then
        [[ $found == "${slices}x$accelerator" || $found == "$accelerator" ]] ||
            fail "$name exists already as $found, not ${slices}x$accelerator; add --name=ANOTHER, or type: $(again delete)"
        say "$name is there already: $found, $state"
        return
    fi
    local nodes=("--node-id=$name")
    ((slices == 1)) || nodes=("--node-count=$slices" "--node-prefix=$name")
    cloud "asking for ${slices}x$accelerator in $zone" compute tpus queued-resources create "$name" "${where[@]}" \
        "--accelerator-type=$accelerator" "--runtime-version=$runtime" "--description=${slices}x$accelerator" \
        "${nodes[@]}" ${spot:+--spot} ${create_flags[@]+"${create_flags[@]}"} --quiet
    say "asked for $name: ${slices}x$accelerator in $zone"
}

wait_for() {
    local before=none
    while true; do
        find_slices
        [[ -z $dry_run ]] || break
        [[ -n $state ]] || fail "there is no $name in $zone; type: $(again create)"
        check_state
        [[ $state == "$before" ]] || say "$name is $state"
        [[ $state != ACTIVE ]] || break
        before=$state
        sleep "${POLL_SECONDS:-30}"
    done
}

# The hosts can be reached, or this ends with what to type.
check_active() {
    find_slices
    [[ -z $dry_run ]] || return 0
    [[ -n $state ]] || fail "there is no $name in $zone; type: $(again create)"
    check_state
    [[ $state == ACTIVE ]] || fail "$name is $state, not yet ACTIVE; type: $(again wait)"
}

delete() {
    find_slices
    if [[ -z $state && -z $dry_run ]]; then
        say "there is no $name in $zone; nothing to delete"
    elif [[ $state == DELETING ]]; then
        say "$name is being deleted already"
    else
        cloud "deleting $name" compute tpus queued-resources delete "$name" "${where[@]}" --force --quiet
        say "$name is deleted"
    fi
}

# Sourced by tpu_pod.sh: the results of a run, brought here.
# shellcheck shell=bash disable=SC2154 # the options are tpu_pod.sh's

copy() {
    [[ -n $workdir ]] || misuse "no --workdir=DIR of the run whose results are wanted"
    local into
    workdir=${workdir%/}
    into=$to/${workdir##*/}
    local_command mkdir -p "$into"
    if [[ $workdir == gs://* ]]; then
        cloud "copying $workdir" storage rsync "$workdir" "$into" --recursive '--exclude=^checkpoints/'
    else
        copy_from_host "$into"
    fi
    say "the results are in $into"
}

# A workdir on the disk of the first host.
copy_from_host() {
    check_active
    remote "packing the results" 0 0 pack "$workdir"
    cloud "copying the results" compute tpus queued-resources scp "$name:distil_jax_results.tar.gz" \
        "$scratch/distil_jax_results.tar.gz" "${where[@]}" --node=0 --worker=0 --quiet \
        ${ssh_flags[@]+"${ssh_flags[@]}"}
    local_command tar -C "$1" -xzf "$scratch/distil_jax_results.tar.gz"
}

# Sourced by tpu_pod.sh: how gcloud is called, and what its refusals mean.
# shellcheck shell=bash disable=SC2154 # the options are tpu_pod.sh's

say() {
    [[ -n $dry_run ]] || printf 'tpu_pod: %s\n' "$*"
}

# again COMMAND: what to type for another command on the same slices.
again() {
    local words=("$0" "$1" "--name=$name" "--topology=$topology" "--zone=$zone")
    [[ -z $project ]] || words+=("--project=$project")
    words+=(${ssh_flags[@]+"${ssh_flags[@]/#/--ssh=}"})
    pasted "${words[@]}"
}

# local_command WORDS...: runs them, or prints them in a dry run.
local_command() {
    if [[ -n $dry_run ]]; then pasted "$@"; else "$@"; fi
}

# cloud WHAT WORDS...: gcloud WORDS, or only the command in a dry run. What it says besides its answer is
# shown only if it fails; then the last line says in our words what failed and what to type.
cloud() {
    local what=$1 status=0
    shift
    if [[ -n $dry_run ]]; then
        pasted gcloud "$@"
        return
    fi
    gcloud "$@" 2>"$scratch/stderr" || status=$?
    # A host that gcloud cannot prepare is left out with a warning, and status 0.
    if ((status)) || grep -q 'Could not prepare' "$scratch/stderr"; then
        cat "$scratch/stderr" >&2
        fail "$what failed: $(advice "$status")"
    fi
}

# What gcloud said, beginning with its own error: before that the hosts may have said anything.
advice() {
    local refusal
    refusal=$(sed -n '/^ERROR: (gcloud/,$p' "$scratch/stderr")
    case $refusal in
        *'not currently have an active account'* | *'auth login'*) echo "type: gcloud auth login" ;;
        *'attribute [project]'* | *'core/project'*) echo "no project; add --project=PROJECT" ;;
        *[Qq]uota*) echo "no quota for $accelerator in $zone; ask for it in the console, or try --spot or another --zone" ;;
        *"locations/$zone'"* | *[Aa]ccelerator*)
            echo "$zone has no $accelerator, or this project may not use it; see: gcloud compute tpus locations list," \
                "and: gcloud compute tpus accelerator-types list --zone=$zone"
            ;;
        *PERMISSION_DENIED*) echo "this account may not; see: gcloud auth list" ;;
        *) advice_about_hosts "$1" ;;
    esac
}

advice_about_hosts() {
    local failed
    failed=$(sed -n 's/.*Command execution on worker \([0-9]*\) failed.*/\1/p' "$scratch/stderr" | sort -nu | paste -sd, -)
    if grep -q 'SSH Key is not present' "$scratch/stderr"; then
        echo "the ssh key waits for its passphrase; type: ssh-add ~/.ssh/google_compute_engine"
    elif grep -q 'Could not prepare' "$scratch/stderr"; then
        echo "a slice cannot be reached, or was preempted; type: $(again status)"
    elif (($1 == 255)); then
        echo "ssh to worker ${failed:-$worker} failed; behind a firewall add --ssh=--tunnel-through-iap"
    else
        echo "${failed:+worker $failed: }status $1, see above"
    fi
}

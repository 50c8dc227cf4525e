#!/usr/bin/env bash
# On a GKE cluster: ./launch/gke.sh train | prepare | status | logs | delete [options] [-- flags]
#
#     ./launch/gke.sh prepare --name=rows --image=IMAGE --shards=64 -- \
#         --input='gs://BUCKET/text/*.txt' --tokenizer=bert-base-uncased --output=gs://BUCKET/ROWS
#     ./launch/gke.sh train --name=run --image=IMAGE --topology=2xv5e-16 --spot -- \
#         --config=tpu_v5e --workdir=gs://BUCKET/RUN --config.data.train=gs://BUCKET/ROWS
#     ./launch/gke.sh logs --name=run
#
# train    a run on TPU slices (JobSet), started again from its last checkpoint if a pod is lost or evicted
#   --topology=v5e-16, or 2xv5e-16 for two slices   --host-chips=N   --restarts=10 (100 with --spot)
# prepare  a corpus, in shares (indexed Job)
#   --shards=N  --parallel=N (at one time; all)  --cpus=2  --memory=8Gi (of each)
# status   what is there                         logs    follow process 0, or all shares
# delete   it and its pods, which get the time to save
#
# --name=distil-jax  --namespace=N   --dry-run prints the manifest and the command, to be pasted
# --image=I          as gke/Dockerfile builds it
# --spot             on spot nodes   --service-account=A    for the buckets
# --claim=C          a volume claim that all pods may write, mounted at /shared: for folders that are no buckets
#
# Typed again, train and prepare say what is there. DISTIL_JAX_PYTHON names a python with this package for the
# manifest; otherwise it is the .venv of this checkout. The cluster is kubectl's.
#
# Never run on a cluster: manifests are checked against Kubernetes' schemas, this script against a stand-in of kubectl.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/environment.sh
source "$here/environment.sh"

say() {
    printf 'gke: %s\n' "$*"
}

# again COMMAND: what to type for another command about NAME.
again() {
    pasted "$0" "$1" "--name=$name" ${where[@]+"${where[@]}"}
}

# cluster WORDS...: kubectl WORDS, or only the command in a dry run.
cluster() {
    local status=0
    if [[ -n $dry_run ]]; then
        pasted kubectl "$@"
        return
    fi
    kubectl "$@" 2>"$scratch/stderr" || status=$?
    ((status == 0)) || refused "$status"
}

refused() {
    cat "$scratch/stderr" >&2
    case $(cat "$scratch/stderr") in
        *'connection to the server'* | *'connection refused'*)
            fail "kubectl reaches no cluster; type: gcloud container clusters get-credentials CLUSTER --location=ZONE"
            ;;
        *'resource type "jobset'* | *'no matches for kind "JobSet"'*)
            fail "the cluster has no JobSet; install it: https://jobset.sigs.k8s.io/docs/installation/"
            ;;
        *Forbidden* | *forbidden*) fail "this account may not, see above; type: kubectl auth whoami" ;;
        *NotFound* | *'No resources found'*) fail "there is nothing called $name; type: $(again status)" ;;
        *ContainerCreating* | *'waiting to start'* | *'timed out waiting'*) fail "its pods do not run yet; type: $(again status)" ;;
        *) fail "kubectl ended with status $1, see above" ;;
    esac
}

# Sets found (empty: there is none), asked and conditions (the true ones) of what NAME is.
look_for() {
    local line
    line=$(cluster get "$1" "$name" ${where[@]+"${where[@]}"} --ignore-not-found "--output=jsonpath={.metadata.name} \
{.metadata.labels.distil-jax-asked} {.status.conditions[?(@.status==\"True\")].type}")
    read -r found asked conditions <<<"$line"
}

# apply KIND: what `manifest` holds, if it is not there already.
apply() {
    local wanted words=(apply ${where[@]+"${where[@]}"} --filename=-)
    wanted=$(sed -n 's/^ *distil-jax-asked: //p' <<<"$manifest")
    if [[ -n $dry_run ]]; then
        printf "%s <<'MANIFEST'\n%s\nMANIFEST\n" "$(pasted kubectl "${words[@]}")" "$manifest"
        return
    fi
    look_for "$1"
    case "$found:$asked: $conditions " in
        :*)
            cluster "${words[@]}" <<<"$manifest"
            say "follow it with: $(again logs)"
            ;;
        *' Failed '*) fail "$name has failed; see: $(again logs); then type: $(again delete), and this command again" ;;
        *":$wanted:"*' Completed '* | *":$wanted:"*' Complete '*) say "$name is there already, and has finished" ;;
        *":$wanted:"*) say "$name is there already; follow it with: $(again logs)" ;;
        *) fail "$name is there already, and is not what is asked for; add --name=ANOTHER, or type: $(again delete)" ;;
    esac
}

# What NAME can be in this cluster: without JobSet, kubectl does not know the word.
kinds() {
    local found=jobsets
    [[ -n $dry_run ]] || found=$(cluster api-resources --api-group=jobset.x-k8s.io --output=name)
    printf '%s' "${found:+jobsets,}jobs"
}

status() {
    local all
    all=$(kinds)
    cluster get "$all,pods" "$selector" ${where[@]+"${where[@]}"} --output=wide
}

# Of all pods: process 0 reports the progress of a run, the others only errors.
logs() {
    cluster logs "$selector" ${where[@]+"${where[@]}"} --follow --prefix --tail=-1 --max-log-requests=1000 \
        --pod-running-timeout=10m
}

# When it returns, the pods are gone.
delete() {
    local all
    all=$(kinds)
    cluster delete "$all" "$selector" ${where[@]+"${where[@]}"} --cascade=foreground
}

command=${1:-}
case $command in
    train | prepare | status | logs | delete) shift ;;
    --help)
        show_head
        exit
        ;;
    *) misuse "no command '$command'; one of train, prepare, status, logs, delete (see $0 --help)" ;;
esac
name=distil-jax dry_run=''
where=() options=()
while (($#)); do
    case $1 in
        --name=*) name=${1#*=} ;;
        --namespace=*) where=("$1") ;;
        --dry-run) dry_run=yes ;;
        --help)
            show_head
            exit
            ;;
        --) break ;;
        *) options+=("$1") ;;
    esac
    shift
done
selector=--selector=distil-jax=$name
if [[ $command == train || $command == prepare ]]; then
    python=${DISTIL_JAX_PYTHON:-$environment_python}
    [[ -x $python ]] || fail "$python is missing; install there, or set DISTIL_JAX_PYTHON"
    manifest=$(PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} "$python" "$here/gke/manifest.py" "$command" \
        "--name=$name" ${options[@]+"${options[@]}"} "$@")
else
    set -- ${options[@]+"${options[@]}"} "$@"
    (($# == 0)) || misuse "$command takes --name, --namespace and --dry-run, and was given $*"
fi
if [[ -z $dry_run ]]; then
    command -v kubectl >/dev/null || fail "kubectl is not on PATH; type: gcloud components install kubectl"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
fi
case $command in
    train) apply jobset ;;
    prepare) apply job ;;
    *) "$command" ;;
esac

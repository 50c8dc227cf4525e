#!/usr/bin/env bash
# A run on a TPU slice, or on several that work as one: ./launch/tpu_pod.sh COMMAND [options] [-- flags of distil_jax.main]
#
#     ./launch/tpu_pod.sh up --topology=v5e-16 --zone=us-west4-a -- \
#         --config=tpu_v5e --workdir=gs://BUCKET/RUN --config.data.train=gs://BUCKET/ROWS
#     ./launch/tpu_pod.sh copy --zone=us-west4-a --workdir=gs://BUCKET/RUN
#     ./launch/tpu_pod.sh delete --zone=us-west4-a
#
# up       create, wait, install, run, logs: rerun it after any failure, it resumes
# create   ask for the slices (a queued resource)     wait     until they are there
# install  this checkout and its environment, on all hosts; not while a run is going
# run      start it on all hosts; after a preemption, a failure or stop it resumes from the last checkpoint
# logs     follow a run, and end with its exit status; --node=N --worker=N (0 and 0 are process 0) or all
# status   the slices, and every host                 stop     SIGTERM to all: they save and end
# copy     the results in --workdir, without checkpoints, into --to=FOLDER (runs)
# delete   the slices, and all that lies on their disks
#
# --name=distil-jax  --zone=Z  --project=P  --topology=v4-32, v5e-16, v5p-128, v6e-16, or 2xv5e-16 for two slices
# --spot             --runtime=VERSION (of the hosts' system)      --dry-run prints the commands, to be pasted
# --shared           the workdir is no bucket, but all hosts have mounted it
# --create=FLAG, --ssh=FLAG  more flags for gcloud: --create=--reserved, --ssh=--tunnel-through-iap; repeatable
#
# Paths after -- are read on the hosts, from the checkout there: buckets, or files of this checkout. A slice costs
# money until it is deleted; delete without stop before it loses what was done since the last checkpoint. gcloud
# makes an ssh key without a passphrase if there is none.
#
# Never run on a TPU: tested against a stand-in of gcloud that knows the flags of its help.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=launch/environment.sh
source "$here/environment.sh"
# shellcheck source=launch/tpu/cloud.sh
source "$here/tpu/cloud.sh"
# shellcheck source=launch/tpu/slices.sh
source "$here/tpu/slices.sh"
# shellcheck source=launch/tpu/hosts.sh
source "$here/tpu/hosts.sh"
# shellcheck source=launch/tpu/results.sh
source "$here/tpu/results.sh"

up() {
    create
    wait_for
    install
    run "$@"
    say "the slices cost money until: $(again delete)"
    logs
}

command=${1:-}
case $command in
    up | create | wait | install | run | logs | status | stop | copy | delete) shift ;;
    --help)
        show_head
        exit
        ;;
    *) misuse "no command '$command'; one of up, create, wait, install, run, logs, status, stop, copy, delete (see $0 --help)" ;;
esac

name=distil-jax topology=v4-32 zone='' project='' runtime='' spot='' shared='' node=0 worker=0 workdir='' to=runs dry_run=''
create_flags=() ssh_flags=()
while (($#)); do
    case $1 in
        --name=*) name=${1#*=} ;;
        --topology=*) topology=${1#*=} ;;
        --zone=*) zone=${1#*=} ;;
        --project=*) project=${1#*=} ;;
        --runtime=*) runtime=${1#*=} ;;
        --spot) spot=yes ;;
        --shared) shared=yes ;;
        --create=*) create_flags+=("${1#*=}") ;;
        --ssh=*) ssh_flags+=("${1#*=}") ;;
        --node=*) node=${1#*=} ;;
        --worker=*) worker=${1#*=} ;;
        --workdir=*) workdir=${1#*=} ;;
        --to=*) to=${1#*=} ;;
        --dry-run) dry_run=yes ;;
        --help)
            show_head
            exit
            ;;
        --)
            shift
            break
            ;;
        *) misuse "unknown option $1; what distil_jax.main gets comes after --" ;;
    esac
    shift
done
check_slices
case $command in
    up | run) check_run "$@" ;;
    *) (($# == 0)) || misuse "$command takes nothing after --, and was given $*" ;;
esac
[[ -n $dry_run ]] || command -v gcloud >/dev/null ||
    fail "gcloud is not on PATH; install it (https://cloud.google.com/sdk/docs/install), then: gcloud auth login"
scratch=${TMPDIR:-/tmp}
if [[ -z $dry_run ]]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
fi
[[ $command == wait ]] && command=wait_for
"$command" "$@"

#!/usr/bin/env bash
# A corpus prepared on a Slurm cluster, each task of an array its share: ./launch/prepare_array.sh --shards=N
#     [--parallel=N] [--cpus=2] [--memory=8G] [--time=T] [--partition=P] [--account=A] [--name=NAME] [--dry-run] --
#     --input=GLOB --tokenizer=FOLDER --output=DIR [other flags of distil_jax.prepare]
#
# The output must lie where all nodes see it; whoever finishes last puts the rows together. A task that was lost or
# preempted is queued again, and finds the parts it had finished; so does the same command with the same --shards, once
# no task is left. DISTIL_JAX_PYTHON names the python of the environment on the nodes; otherwise it is the .venv of
# this checkout.
#
# Never run on a real cluster: tested against a stand-in of sbatch and squeue.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

shards='' parallel='' cpus=2 memory=8G time=24:00:00 partition='' account='' name=distil_jax_prepare dry_run=
while (($#)); do
    case $1 in
        --shards=*) shards=${1#*=} ;;
        --parallel=*) parallel=${1#*=} ;;
        --cpus=*) cpus=${1#*=} ;;
        --memory=*) memory=${1#*=} ;;
        --time=*) time=${1#*=} ;;
        --partition=*) partition=${1#*=} ;;
        --account=*) account=${1#*=} ;;
        --name=*) name=${1#*=} ;;
        --dry-run) dry_run=yes ;;
        --help)
            show_head
            exit
            ;;
        --)
            shift
            break
            ;;
        *) misuse "unknown option $1; what distil_jax.prepare gets comes after --" ;;
    esac
    shift
done
[[ $shards =~ ^[1-9][0-9]*$ ]] || misuse "--shards=$shards must be a number above 0"
[[ $parallel =~ ^([1-9][0-9]*)?$ ]] || misuse "--parallel=$parallel must be a number above 0"
[[ " $* " == *" --output="* ]] || misuse "no --output=DIR after --; it must lie where all nodes see it"

python=${DISTIL_JAX_PYTHON:-$environment_python}
[[ -x $python ]] || fail "$python is missing; install there, or set DISTIL_JAX_PYTHON"

# What sbatch is given, quoted so that it survives one more shell.
submit=(sbatch --parsable "--job-name=$name" "--array=0-$((shards - 1))${parallel:+%$parallel}" --ntasks=1
    "--cpus-per-task=$cpus" "--mem=$memory" "--time=$time" --requeue --open-mode=append "--output=$name-%A_%a.log")
[[ -z $partition ]] || submit+=("--partition=$partition")
[[ -z $account ]] || submit+=("--account=$account")
script="#!/usr/bin/env bash
exec $(pasted "$python" -m distil_jax.prepare "$@") --shard_index=\"\$SLURM_ARRAY_TASK_ID\" --shard_count=$shards
"

if [[ -n $dry_run ]]; then
    printf "%s <<'SCRIPT'\n%sSCRIPT\n" "$(pasted "${submit[@]}")" "$script"
    exit
fi
command -v sbatch >/dev/null || fail "sbatch is not on PATH; run this on a login node of the cluster"
queued=$(squeue --noheader --me "--name=$name" --format=%F) || fail "squeue failed; see above"
if [[ -n $queued ]]; then
    printf 'job %s is queued or running already; logs: %s-*.log\n' "${queued%%$'\n'*}" "$name"
    exit
fi
job=$("${submit[@]}" <<<"$script") || fail "sbatch refused the job; see above"
printf 'job %s is submitted, %s shares; logs: %s-%s_*.log\n' "${job%%;*}" "$shards" "$name" "${job%%;*}"

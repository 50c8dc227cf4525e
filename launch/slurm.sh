#!/usr/bin/env bash
# A run on GPU nodes of a Slurm cluster: ./launch/slurm.sh [--nodes=N] [--gpus=G] [--time=T] [--partition=P]
#     [--account=A] [--name=NAME] [--dry-run] -- --config=FILE|NAME --workdir=DIR [--config.KEY=VALUE ...]
#
# One process per GPU; JAX finds the others by Slurm's own variables. The job asks to be sent SIGTERM two minutes
# before its time is up or when it is preempted, saves, and is queued again: the same command resumes.
# A job of this name that is queued or runs already is named, and not submitted twice. DISTIL_JAX_PYTHON names the
# python of the environment on the nodes; otherwise it is the .venv of this checkout.
#
# Never run on a real cluster: tested against a stand-in of sbatch, squeue and srun.
set -euo pipefail
# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

nodes=1 gpus=8 time=24:00:00 partition='' account='' name=distil_jax dry_run=
while (($#)); do
    case $1 in
        --nodes=*) nodes=${1#*=} ;;
        --gpus=*) gpus=${1#*=} ;;
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
        *) misuse "unknown option $1; what distil_jax.main gets comes after --" ;;
    esac
    shift
done
[[ $nodes =~ ^[1-9][0-9]*$ ]] || misuse "--nodes=$nodes must be a number above 0"
[[ $gpus =~ ^[1-9][0-9]*$ ]] || misuse "--gpus=$gpus must be a number above 0"
[[ " $* " == *" --workdir="* ]] || misuse "no --workdir=DIR after --; it must lie where all nodes see it"

python=${DISTIL_JAX_PYTHON:-$environment_python}
[[ -x $python ]] || fail "$python is missing; install there, or set DISTIL_JAX_PYTHON"

# What sbatch is given, quoted so that it survives one more shell.
printf -v command '%q ' "$python" -m distil_jax.main "$@" --config.processes.coordinator=auto
submit=(sbatch --parsable "--job-name=$name" "--nodes=$nodes" "--ntasks-per-node=$gpus"
    "--gpus-per-node=$gpus" "--time=$time" --requeue --open-mode=append --signal=B:TERM@120
    "--output=$name-%j.log")
[[ -z $partition ]] || submit+=("--partition=$partition")
[[ -z $account ]] || submit+=("--account=$account")

# Its shell passes SIGTERM on; 143 means saved, so the job goes back into the queue.
script="#!/usr/bin/env bash
step=
stopping=
trap 'stopping=yes; [[ -z \$step ]] || kill -TERM \$step' TERM
srun --label --kill-on-bad-exit=0 $command &
step=\$!
[[ -z \$stopping ]] || kill -TERM \$step
status=0
wait \$step || status=\$?
# A signal ends the first wait before the step has ended.
while kill -0 \$step 2>/dev/null; do status=0; wait \$step || status=\$?; done
again=0 # or just before it ended
wait \$step || again=\$?
((again == 127 || again < 0)) || status=\$again
if [[ \$status == 143 ]]; then scontrol requeue \"\$SLURM_JOB_ID\"; fi
exit \$status
"

if [[ -n $dry_run ]]; then
    printf "%s <<'SCRIPT'\n%sSCRIPT\n" "$(pasted "${submit[@]}")" "$script"
    exit
fi
command -v sbatch >/dev/null || fail "sbatch is not on PATH; run this on a login node of the cluster"
queued=$(squeue --noheader --me "--name=$name" --format=%i) || fail "squeue failed; see above"
if [[ -n $queued ]]; then
    printf 'job %s is queued or running already; logs: %s-*.log\n' "${queued//$'\n'/ }" "$name"
    exit
fi
job=$("${submit[@]}" <<<"$script") || fail "sbatch refused the job; see above"
printf 'job %s is submitted; log: %s-%s.log\n' "${job%%;*}" "$name" "${job%%;*}"

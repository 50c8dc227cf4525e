"""What is asked of a cluster: train.yaml or prepare.yaml, filled in, on standard output.

Called by ../gke.sh, whose head explains the options.
"""

import argparse
import glob
import hashlib
import json
import math
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from distil_jax import commandline
from distil_jax.errors import UsageError
from distil_jax.planning import topologies

HERE = Path(__file__).parent
ACCELERATORS = {
    "v4": "tpu-v4-podslice",
    "v5e": "tpu-v5-lite-podslice",
    "v5p": "tpu-v5p-slice",
    "v6e": "tpu-v6e-slice",
    "tpu7x": "tpu7x",
}
"""GKE's names of the chips."""

SHARED = "/shared"
"""Where --claim is mounted."""

READ = ("--config.data.", "--config.teacher", "--config.student.folder", "--input", "--tokenizer")
"""Flags that name what is read."""

HOST_CHIPS = 4
LARGEST_HOST_CHIPS = 8  # of v5e and v6e, if the slice is no larger
RESTARTS, SPOT_RESTARTS = 10, 100
SPOT = "cloud.google.com/gke-spot"


def train(options: argparse.Namespace, flags: list[str]) -> dict[str, Any]:
    """The JobSet of a run; `flags` are `distil_jax.main`'s."""
    _check_place(flags, "--workdir", options.claim)
    topology = topologies.find(options.topology)
    hosts, chips = _hosts(topology, options)
    manifest = _read("train.yaml")
    restarts = SPOT_RESTARTS if options.spot else RESTARTS
    manifest["spec"]["failurePolicy"]["maxRestarts"] = options.restarts or restarts
    (job,) = manifest["spec"]["replicatedJobs"]
    job["replicas"] = topology.slices
    job["template"]["spec"] |= {"completions": hosts, "parallelism": hosts}
    template = job["template"]["spec"]["template"]
    pod = template["spec"]
    pod["nodeSelector"] = {
        "cloud.google.com/gke-tpu-accelerator": ACCELERATORS[topology.chip.name],
        "cloud.google.com/gke-tpu-topology": "x".join(map(str, topology.grid)),
    }
    resources = pod["containers"][0]["resources"]
    for kind in ("requests", "limits"):
        resources[kind] = {"google.com/tpu": chips}
    command = ["distil_jax.main", *flags, "--config.processes.coordinator=auto"]
    return _finish(manifest, template, options, command)


def prepare(options: argparse.Namespace, flags: list[str]) -> dict[str, Any]:
    """The Job of a corpus' preparation; `flags` are `distil_jax.prepare`'s."""
    _check_place(flags, "--output", options.claim)
    manifest = _read("prepare.yaml")
    manifest["spec"]["completions"] = options.shards
    manifest["spec"]["parallelism"] = min(options.parallel or options.shards, options.shards)
    template = manifest["spec"]["template"]
    requests = template["spec"]["containers"][0]["resources"]["requests"]
    requests |= {"cpu": options.cpus, "memory": options.memory}
    command = ["distil_jax.prepare", *flags]
    shares = ["--shard_index=$(JOB_COMPLETION_INDEX)", f"--shard_count={options.shards}"]
    return _finish(manifest, template, options, command, shares)


def _read(name: str) -> dict[str, Any]:
    return yaml.safe_load((HERE / name).read_text())


def _hosts(topology: topologies.Topology, options: argparse.Namespace) -> tuple[int, int]:
    """How many hosts a slice has, and how many chips a host."""
    if topology.chip.name not in ACCELERATORS:
        raise UsageError(f"--topology={options.topology}: give a TPU slice, like v5e-16 or 2xv4-32")
    of_slice = math.prod(topology.grid)
    alone = len(topology.grid) == 2 and of_slice <= LARGEST_HOST_CHIPS
    chips = options.host_chips or (of_slice if alone else HOST_CHIPS)
    hosts, left = divmod(of_slice, chips)
    if left or not hosts:
        raise UsageError(f"--host-chips={chips} does not divide {of_slice} chips")
    if topology.slices > 1 and hosts == 1:
        raise UsageError(
            f"--topology={options.topology}: GKE joins only slices of several hosts; give larger "
            f"slices, or --host-chips={HOST_CHIPS}"
        )
    return hosts, chips


def _check_place(flags: list[str], flag: str, claim: str) -> None:
    """What is written must outlive the pods and be the same for all; what is read must be there."""
    for name, _, value in (one.partition("=") for one in flags):
        if name.startswith(READ) and any(glob.iglob(value)):
            raise UsageError(
                f"{name}={value} lies on this machine, where no pod can read it; type: gcloud "
                f"storage cp --recursive {value} gs://BUCKET, and name it there"
            )
    place = next((f.partition("=")[2] for f in flags if f.startswith(f"{flag}=")), None)
    if place is None:
        raise UsageError(f"no {flag}=gs://BUCKET/FOLDER after --")
    if not place.startswith("gs://") and not (claim and place.startswith(f"{SHARED}/")):
        raise UsageError(
            f"{flag}={place} would lie in each pod alone and be lost with it; give "
            f"{flag}=gs://BUCKET/FOLDER, or --claim=VOLUME_CLAIM and {flag}={SHARED}/FOLDER"
        )


def _finish(
    manifest: dict[str, Any],
    template: dict[str, Any],
    options: argparse.Namespace,
    command: list[str],
    expanded: Sequence[str] = (),
) -> dict[str, Any]:
    """What both have; `expanded` are arguments in which Kubernetes puts variables in."""
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", options.name):
        raise UsageError(f"--name={options.name} must be up to 40 small letters, digits, hyphens")
    template["metadata"] = {"labels": {"distil-jax": options.name}}
    pod = template["spec"]
    (container,) = pod["containers"]
    container["image"] = options.image
    container["args"] = [word.replace("$", "$$") for word in command] + [*expanded]
    if options.service_account:
        pod["serviceAccountName"] = options.service_account
    if options.spot:
        pod["nodeSelector"] = pod.get("nodeSelector", {}) | {SPOT: "true"}
        pod["tolerations"] = [{"key": SPOT, "operator": "Equal", "value": "true"}]
    if options.claim:
        claim = {"claimName": options.claim}
        pod["volumes"] = [{"name": "shared", "persistentVolumeClaim": claim}]
        container["volumeMounts"] = [{"name": "shared", "mountPath": SHARED}]
    manifest["metadata"] |= {"name": options.name, "labels": {"distil-jax": options.name}}
    # Tells whether what is there is what is asked for.
    asked = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:32]
    manifest["metadata"]["labels"]["distil-jax-asked"] = asked
    return manifest


def _parser() -> argparse.ArgumentParser:
    parser = commandline.Parser(prog="launch/gke.sh", usage=argparse.SUPPRESS)
    kinds = parser.add_subparsers(required=True, prog=parser.prog)
    add = partial(kinds.add_parser, add_help=False, allow_abbrev=False)
    one = add("train")
    one.set_defaults(make=train)
    one.add_argument("--topology", required=True)
    one.add_argument("--host-chips", type=commandline.positive, default=0)
    one.add_argument("--restarts", type=commandline.positive, default=0)
    many = add("prepare")
    many.set_defaults(make=prepare)
    many.add_argument("--shards", type=commandline.positive, required=True)
    many.add_argument("--parallel", type=commandline.positive, default=0)
    many.add_argument("--cpus", default="2")
    many.add_argument("--memory", default="8Gi")
    for kind in (one, many):
        kind.add_argument("--name", required=True)
        kind.add_argument("--image", required=True)
        kind.add_argument("--spot", action="store_true")
        kind.add_argument("--claim", default="")
        kind.add_argument("--service-account", default="")
    return parser


def text(arguments: list[str]) -> str:
    """The manifest that a command line describes, as YAML; raises `UsageError`."""
    ours = arguments.index("--") if "--" in arguments else len(arguments)
    options = _parser().parse_args(arguments[:ours])
    manifest = options.make(options, arguments[ours + 1 :])
    return yaml.safe_dump(manifest, sort_keys=False, width=math.inf)


def main(arguments: list[str]) -> None:
    """Print it."""
    print(text(arguments), end="")


if __name__ == "__main__":
    commandline.run(main)

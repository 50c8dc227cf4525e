"""gke.sh: the manifests by Kubernetes' rules, the script against a stand-in of kubectl."""

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from distil_jax import prepare
from distil_jax.errors import UsageError

from .kubernetes_rules import NEWEST, OLDEST, check

ROOT = Path(__file__).parents[2]
GKE = ROOT / "launch/gke"
TRAIN = ("train", "--name=run", "--image=IMAGE", "--topology=2xv5e-16")
RUN = ("--", "--config=tpu_v5e", "--workdir=gs://bucket/run")
PREPARE = ("prepare", "--name=rows", "--image=IMAGE", "--shards=64")
ROWS = ("--", "--input=gs://bucket/*.txt", "--tokenizer=builtin:teacher", "--output=gs://b/rows")


@pytest.fixture
def cluster(tools: Any) -> Any:
    tools.stand_in("kubectl")
    return tools


def faults(cluster: Any, **faults: Any) -> None:
    (cluster.folder / "faults.json").write_text(json.dumps(faults))


def becomes(cluster: Any, key: str, condition: str) -> None:
    path = cluster.folder / "objects.json"
    objects = json.loads(path.read_text())
    objects[key]["status"] = {"conditions": [{"type": condition, "status": "True"}]}
    path.write_text(json.dumps(objects))


def applied(cluster: Any) -> list[dict[str, Any]]:
    calls = cluster.calls("kubectl")
    return [yaml.safe_load(given) for words, given in calls if words[0] == "apply"]


def manifest_of(*arguments: str) -> dict[str, Any]:
    """What launch/gke/manifest.py makes of a command line, checked."""
    spec = importlib.util.spec_from_file_location("manifest", GKE / "manifest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = yaml.safe_load(module.text([*arguments]))
    check(made)
    return made


def slice_of(manifest: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    (job,) = manifest["spec"]["replicatedJobs"]
    return job, job["template"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("name", ["train.yaml", "prepare.yaml"])
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_files_are_manifests_as_they_stand(name: str, version: str) -> None:
    check(yaml.safe_load((GKE / name).read_text()), version)


def misspelt(manifest: Any) -> None:
    manifest["spec"]["failurePolicy"]["maxRestart"] = 1


def unknown_action(manifest: Any) -> None:
    manifest["spec"]["failurePolicy"]["rules"][0]["action"] = "GiveUp"


def wrong_kind_of_value(manifest: Any) -> None:
    slice_of(manifest)[1]["terminationGracePeriodSeconds"] = "long"


def unknown_field_of_a_pod(manifest: Any) -> None:
    slice_of(manifest)[1]["containers"][0]["arg"] = []


@pytest.mark.parametrize(
    ("spoil", "raised"),
    [
        (misspelt, jsonschema.ValidationError),
        (unknown_action, jsonschema.ValidationError),
        (wrong_kind_of_value, kubernetes_validate.ValidationError),
        (unknown_field_of_a_pod, kubernetes_validate.ValidationError),
    ],
)
def test_the_rules_refuse(spoil: Callable[[Any], None], raised: type[Exception]) -> None:
    manifest = yaml.safe_load((GKE / "train.yaml").read_text())
    spoil(manifest)
    with pytest.raises(raised):
        check(manifest)


def test_a_run_on_two_slices() -> None:
    manifest = manifest_of(*TRAIN, "--service-account=me", *RUN)
    job, pod = slice_of(manifest)
    assert (job["replicas"], job["template"]["spec"]["completions"]) == (2, 4)
    assert job["template"]["spec"]["parallelism"] == 4
    assert pod["nodeSelector"] == {
        "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
        "cloud.google.com/gke-tpu-topology": "4x4",
    }
    (container,) = pod["containers"]
    assert container["args"] == ["distil_jax.main", *RUN[1:], "--config.processes.coordinator=auto"]
    assert container["resources"]["limits"] == {"google.com/tpu": 4}
    assert (container["image"], pod["serviceAccountName"]) == ("IMAGE", "me")
    # Long enough for a step, an agreement on it and a checkpoint into a bucket.
    assert pod["terminationGracePeriodSeconds"] >= 120


@pytest.mark.parametrize(
    ("topology", "shape", "hosts", "chips"),
    [("v4-8", "2x2x1", 1, 4), ("v4-32", "2x2x4", 4, 4), ("v5p-128", "4x4x4", 16, 4),
     ("v5e-1", "1x1", 1, 1), ("v5e-8", "2x4", 1, 8), ("v6e-256", "16x16", 64, 4),
     ("tpu7x-8", "2x2x1", 1, 4), ("tpu7x-32", "2x2x4", 4, 4)],
)  # fmt: skip
def test_hosts_and_chips(topology: str, shape: str, hosts: int, chips: int) -> None:
    manifest = manifest_of(*TRAIN[:3], f"--topology={topology}", *RUN)
    job, pod = slice_of(manifest)
    assert pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == shape
    assert job["template"]["spec"]["completions"] == hosts
    assert pod["containers"][0]["resources"]["requests"] == {"google.com/tpu": chips}


def test_spot_nodes_are_lost_often() -> None:
    manifest = manifest_of(*TRAIN, "--spot", "--host-chips=8", *RUN)
    job, pod = slice_of(manifest)
    assert manifest["spec"]["failurePolicy"]["maxRestarts"] == 100
    assert pod["nodeSelector"]["cloud.google.com/gke-spot"] == "true"
    assert job["template"]["spec"]["completions"] == 2


def test_a_corpus_in_shares() -> None:
    manifest = manifest_of(*PREPARE, "--parallel=8", "--memory=4Gi", *ROWS)
    spec = manifest["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 64, 8)
    (container,) = spec["template"]["spec"]["containers"]
    command, *words = container["args"]
    assert command == "distil_jax.prepare"
    # As the kubelet puts the index in, the command understands it.
    flags = prepare.parser().parse_args([expanded(word, index="7") for word in words])
    assert (flags.shard_index, flags.shard_count, flags.input) == (7, 64, ["gs://bucket/*.txt"])
    assert flags.output == "gs://b/rows"


def test_a_corpus_in_shares_on_a_volume() -> None:
    given = ["--input=gs://bucket/*.txt", "--tokenizer=builtin:teacher", "--output=/shared/rows"]
    manifest = manifest_of(*PREPARE, "--claim=disk", "--", *given)
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    _, *words = container["args"]
    flags = prepare.parser().parse_args([expanded(word, index="7") for word in words])
    assert flags.output == Path("/shared/rows")


def expanded(word: str, index: str) -> str:
    """Kubernetes' rule: $(NAME) is the variable, $$ a dollar sign."""
    variables = {"$$": "$", "$(JOB_COMPLETION_INDEX)": index}
    return re.sub(r"\$\$|\$\(\w+\)", lambda found: variables[found[0]], word)


def test_values_arrive_as_they_were_typed() -> None:
    values = ["a b", "it's", 'say "x"', "$(HOME)", "$$", "a: b", "- c", "x\ny", "MANIFEST", "yes"]
    ours = [f"--config.x={value}" for value in values]
    _, pod = slice_of(manifest_of(*TRAIN, *RUN, *ours))
    assert [expanded(word, "0") for word in pod["containers"][0]["args"][3:-1]] == ours


def test_a_folder_that_is_no_bucket() -> None:
    _, pod = slice_of(manifest_of(*TRAIN, "--claim=disk", *RUN[:2], "--workdir=/shared/run"))
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "disk"}
    assert pod["containers"][0]["volumeMounts"][0]["mountPath"] == "/shared"


def test_a_run_is_asked_for_once(cluster: Any) -> None:
    first = cluster.run("gke.sh", *TRAIN, "--namespace=n", *RUN)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("JobSet/run created\ngke: follow it with: ")
    assert applied(cluster) == [manifest_of(*TRAIN, *RUN)]
    again = cluster.run("gke.sh", *TRAIN, *RUN)
    assert (again.returncode, "is there already; follow it" in again.stdout) == (0, True)
    other = cluster.run("gke.sh", *TRAIN, *RUN, "--config.seed=1")
    assert (other.returncode, "is not what is asked for; add --name" in other.stderr) == (1, True)
    becomes(cluster, "JobSet/run", "StartupPolicyCompleted")
    assert "is there already; follow it" in cluster.run("gke.sh", *TRAIN, *RUN).stdout
    becomes(cluster, "JobSet/run", "Completed")
    assert "has finished" in cluster.run("gke.sh", *TRAIN, *RUN).stdout
    becomes(cluster, "JobSet/run", "Failed")
    failed = cluster.run("gke.sh", *TRAIN, *RUN)
    assert failed.returncode == 1
    assert "delete --name=run, and this command again" in failed.stderr
    assert len(applied(cluster)) == 1
    for _ in range(2):
        assert cluster.run("gke.sh", "delete", "--name=run").returncode == 0
    assert cluster.run("gke.sh", *TRAIN, *RUN).stdout.startswith("JobSet/run created")


def test_a_corpus_is_asked_for_once(cluster: Any) -> None:
    assert cluster.run("gke.sh", *PREPARE, *ROWS).stdout.startswith("Job/rows created")
    becomes(cluster, "Job/rows", "Complete")
    assert "has finished" in cluster.run("gke.sh", *PREPARE, *ROWS).stdout


def test_a_dry_run_can_be_pasted(cluster: Any) -> None:
    flags = (*RUN, "--config.x=it's\nMANIFEST $HOME")
    done = cluster.run("gke.sh", "train", "--dry-run", "--namespace=n", *TRAIN[1:], *flags)
    assert (done.returncode, done.stderr, cluster.calls("kubectl")) == (0, "", [])
    pasted = cluster.paste(done.stdout)
    assert (pasted.returncode, pasted.stderr) == (0, "")
    assert applied(cluster) == [manifest_of(*TRAIN, *flags)]


def test_following_and_looking(cluster: Any) -> None:
    missing = cluster.run("gke.sh", "logs", "--name=run")
    assert (missing.returncode, "nothing called run" in missing.stderr) == (1, True)
    cluster.run("gke.sh", *TRAIN, *RUN)
    assert cluster.run("gke.sh", "logs", "--name=run").stdout == "[pod/run-slice-0-0] step 1\n"
    assert cluster.run("gke.sh", "status", "--name=run", "--namespace=n").stdout == "JobSet/run\n"


def test_a_cluster_without_jobset_can_prepare(cluster: Any) -> None:
    faults(cluster, jobset=False)
    done = cluster.run("gke.sh", *TRAIN, *RUN)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: the cluster has no JobSet; install it: ")
    assert cluster.run("gke.sh", *PREPARE, *ROWS).returncode == 0
    assert cluster.run("gke.sh", "status", "--name=rows").stdout == "Job/rows\n"
    assert cluster.run("gke.sh", "delete", "--name=rows").stdout == "Job/rows deleted\n"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"connection": True}, "gcloud container clusters get-credentials"),
        ({"logs": "container is waiting to start: ContainerCreating"}, "its pods do not run yet"),
        ({"logs": "pods is forbidden: User cannot"}, "this account may not"),
        ({"logs": "internal"}, "kubectl ended with status 1, see above"),
    ],
)
def test_what_kubectl_refuses_is_reported(
    fault: dict[str, Any], message: str, cluster: Any
) -> None:
    faults(cluster, **fault)
    done = cluster.run("gke.sh", "logs", "--name=run")
    assert (done.returncode, message in done.stderr.splitlines()[-1]) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["go"], "no command 'go'; one of train, prepare"),
        (["logs", "--tail=3"], "logs takes --name, --namespace and --dry-run, and was given"),
        ([*TRAIN[:3], "--topology=v5e-17", *RUN], "the nearest is v5e-16"),
    ],
)
def test_a_wrong_command_line(arguments: list[str], message: str, cluster: Any) -> None:
    done = cluster.run("gke.sh", *arguments)
    assert (done.returncode, done.stdout, cluster.calls("kubectl")) == (2, "", [])
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*TRAIN, "--topology=h100-8", *RUN], "give a TPU slice, like v5e-16"),
        ([*TRAIN, "--topology=2xv5e-8", *RUN], "GKE joins only slices of several"),
        ([*TRAIN, "--host-chips=5", *RUN], "does not divide 16"),
        ([*TRAIN], "no --workdir=gs://BUCKET/FOLDER after --"),
        ([*TRAIN, "--", "--workdir=runs/a"], "--workdir=runs/a would lie in each pod alone"),
        ([*TRAIN, "--name=A_b", *RUN], "--name=A_b must be"),
        (["train", "--name=a", "--topology=v5e-16", *RUN], "required: --image"),
        ([*PREPARE, "--shards=0", *ROWS], "'0' is not a whole number of at least 1"),
        ([*PREPARE, "--", "--output=rows"], "--output=rows would lie"),
        ([*TRAIN, *RUN, f"--config.data.train={GKE}"], "lies on this machine, where no pod can"),
    ],
)
def test_what_cannot_be_asked_for(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        manifest_of(*arguments)


def test_the_image_has_what_it_needs_and_passes_sigterm_on() -> None:
    lines = re.sub(r"\\\n", "", (GKE / "Dockerfile").read_text()).splitlines()
    (entry,) = [line.split(" ", 1)[1] for line in lines if line.startswith("ENTRYPOINT ")]
    assert json.loads(entry) == ["tini", "--", "python", "-m"]  # no shell in between
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    let_in = {line[1:] for line in (GKE / "Dockerfile.dockerignore").read_text().splitlines()[1:]}
    assert set(copied) == {name for name in let_in if (ROOT / name).exists()}
    assert {"distil_jax", "configs", "setup.cfg"} <= set(copied)

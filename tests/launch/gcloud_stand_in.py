"""A stand-in of gcloud, run as a program; PLACE is the folder in which everything happens.

It refuses flags that the published help does not have, keeps queued resources in resources.json,
runs on folders what was meant for hosts (hosts/NODE/WORKER is a host's home), and keeps buckets in
buckets/. faults.json says what fails: {"login": true}, {"create": TEXT}, {"unprepared": NODE},
{"ssh": WORKER}, {"key": true}, {"again": true} (a connection that breaks after the command, which
gcloud repeats). What it prints is worded as the real one's, as far as tpu_pod.sh looks at it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Never

from published_help import flags

PLACE = Path(os.environ["PLACE"])
RESOURCES = PLACE / "resources.json"
ZONES = {"us-central2-b": ("v4-",), "us-west4-a": ("v5litepod-", "v6e-")}
WORKERS = {"v4-8": 1, "v4-16": 2, "v5litepod-8": 1, "v5litepod-16": 4}
LIFE = ["WAITING_FOR_RESOURCES", "PROVISIONING", "ACTIVE"]


def main() -> None:
    with (PLACE / "calls.jsonl").open("a") as file:
        file.write(json.dumps(["gcloud", sys.argv[1:], ""]) + "\n")
    words = sys.argv[1:]
    command = next((c for c in flags()["gcloud"] if words[: c.count(" ") + 1] == c.split()), None)
    if command is None:
        end(2, f"ERROR: (gcloud) Invalid choice: '{' '.join(words[:4])}'.")
    given, names = parse(command, words[command.count(" ") + 1 :])
    if faults().get("login") and command != "storage rsync":
        refuse("You do not currently have an active account selected.\n\n  $ gcloud auth login")
    COMMANDS[command](given, names)


def parse(command: str, words: list[str]) -> tuple[dict[str, str], list[str]]:
    given, names = {}, []
    for word in words:
        flag, _, value = word.partition("=")
        if not word.startswith("-"):
            names.append(word)
        elif flag in flags()["gcloud"][command]:
            given[flag.removeprefix("--")] = value
        else:
            where = "gcloud." + command.replace(" ", ".")
            end(2, f"ERROR: ({where}) unrecognized arguments: {word}")
    return given, names


def end(status: int, message: str) -> Never:
    print(message, file=sys.stderr)
    sys.exit(status)


def refuse(reason: str) -> Never:
    end(1, f"ERROR: (gcloud.compute.tpus.queued-resources) {reason}")


def faults() -> dict[str, Any]:
    path = PLACE / "faults.json"
    return json.loads(path.read_text()) if path.exists() else {}


def load() -> dict[str, Any]:
    return json.loads(RESOURCES.read_text()) if RESOURCES.exists() else {}


def save(resources: dict[str, Any]) -> None:
    RESOURCES.write_text(json.dumps(resources))


def check_zone(given: dict[str, str]) -> None:
    if given["zone"] not in ZONES:
        where = f"locations/{given['zone']}"
        refuse(f"PERMISSION_DENIED: Permission denied on '{where}' (or it may not exist).")


def list_(given: dict[str, str], _: list[str]) -> None:
    check_zone(given)
    resources = load()
    pattern = given["filter"].removeprefix("name~")
    for name, found in resources.items():
        full = f"projects/p/locations/{found['zone']}/queuedResources/{name}"
        if found["zone"] == given["zone"] and re.search(pattern, full):
            print("\t".join(value(found, field) for field in fields(given["format"])))
            if found["state"]["state"] in LIFE[:-1]:
                found["state"]["state"] = LIFE[LIFE.index(found["state"]["state"]) + 1]
    save(resources)


def fields(text: str) -> list[str]:
    return text.removeprefix("value(").removesuffix(")").split(",")


def value(found: Any, field: str) -> str:
    for key in field.removesuffix(".basename()").replace("[0]", ".0").split("."):
        found = found[0] if key == "0" else found.get(key, {})
    return (
        str(found or "").rsplit("/", 1)[-1] if field.endswith(".basename()") else str(found or "")
    )


def create(given: dict[str, str], names: list[str]) -> None:
    (name,) = names
    kind, count = given["accelerator-type"], int(given.get("node-count", 1))
    check_zone(given)
    if "create" in faults():
        refuse(faults()["create"])
    if ("node-id" in given) == ("node-count" in given) or (count == 1 and "node-count" in given):
        refuse("Exactly one of (--node-id | --node-count : --node-prefix), above 1, must be given")
    if not kind.startswith(ZONES[given["zone"]]) or "runtime-version" not in given:
        refuse(f"INVALID_ARGUMENT: accelerator type {kind} was not found in {given['zone']}")
    resources = load()
    if name in resources:
        refuse(f"ALREADY_EXISTS: Resource '{name}' already exists")
    prefix = given.get("node-prefix", name)
    nodes = [given["node-id"]] if "node-id" in given else [f"{prefix}-{i}" for i in range(count)]
    node = {"acceleratorType": f"projects/p/acceleratorTypes/{kind}"}
    if "description" in given:
        node["description"] = given["description"]
    specs = [{"nodeId": n, "node": node} for n in nodes]
    zone = given["zone"]
    resources[name] = {"zone": zone, "state": {"state": LIFE[0]}, "tpu": {"nodeSpec": specs}}
    save(resources)
    for home in [PLACE / "hosts" / n / str(w) for n in nodes for w in range(WORKERS[kind])]:
        home.mkdir(parents=True)


def delete(given: dict[str, str], names: list[str]) -> None:
    resources = load()
    found = resources.pop(names[0], None) or refuse("NOT_FOUND")
    if "force" not in given and found["state"]["state"] == "ACTIVE":
        refuse("FAILED_PRECONDITION: the queued resource has nodes")
    save(resources)
    for spec in found["tpu"]["nodeSpec"]:
        shutil.rmtree(PLACE / "hosts" / spec["nodeId"])


def chosen(name: str, given: dict[str, str]) -> Iterator[tuple[int, Path]]:
    """The hosts that --node and --worker name, without those of a node that cannot be prepared."""
    specs = (load().get(name) or refuse("NOT_FOUND"))["tpu"]["nodeSpec"]
    nodes = range(len(specs)) if given["node"] == "all" else [int(given["node"])]
    for node in nodes:
        if faults().get("unprepared") == node:
            if faults().get("key"):
                print("SSH Key is not present in the SSH agent.", file=sys.stderr)
            message = f"Could not prepare all {len(specs)} nodes, attempting to ssh into the rest."
            print(f"WARNING: {message}", file=sys.stderr)
            continue
        homes = sorted((PLACE / "hosts" / specs[node]["nodeId"]).iterdir())
        workers = range(len(homes)) if given["worker"] == "all" else [int(given["worker"])]
        yield from ((worker, homes[worker]) for worker in workers)


def ssh(given: dict[str, str], names: list[str]) -> None:
    # The words of the command travel one by one, and the shell over there gets them in one line.
    command = " ".join(given["command"].split(" "))
    started = [(w, host(home, command)) for w, home in chosen(names[0], given)]
    if faults().get("again"):
        for _, process in started:
            process.wait()
        started = [(w, host(home, command)) for w, home in chosen(names[0], given)]
    statuses = [255 if faults().get("ssh") == w else p.wait() for w, p in started]
    for (worker, _), status in zip(started, statuses, strict=True):
        if status and len(statuses) > 1:
            message = f"Command execution on worker {worker} failed with exit status {status}"
            print(f"##### {message}. Continuing.", file=sys.stderr)
    sys.exit(next((status for status in statuses if status), 0))


def host(home: Path, command: str) -> subprocess.Popen[bytes]:
    name = f"{home.parent.name}-w-{home.name}"
    environment = os.environ | {"HOME": str(home), "HOSTNAME": name}
    return subprocess.Popen(["bash", "-c", command], cwd=home, env=environment)


def scp(given: dict[str, str], names: list[str]) -> None:
    *sources, destination = names
    name, _, path = (destination if ":" in destination else sources[0]).partition(":")
    for _, home in chosen(name, given):
        if ":" in destination:
            for source in sources:
                shutil.copy(source, home / path)
        else:
            shutil.copy(home / path, destination)


def rsync(given: dict[str, str], names: list[str]) -> None:
    source = PLACE / "buckets" / names[0].removeprefix("gs://")
    if not source.is_dir() or not Path(names[1]).is_dir() or "recursive" not in given:
        end(1, f"ERROR: (gcloud.storage.rsync) Did not find existing container at: {names[0]}")
    for path in (p.relative_to(source) for p in source.rglob("*") if p.is_file()):
        if not re.match(given["exclude"], str(path)):
            target = Path(names[1]) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / path, target)


COMMANDS = {
    "compute tpus queued-resources list": list_,
    "compute tpus queued-resources create": create,
    "compute tpus queued-resources delete": delete,
    "compute tpus queued-resources ssh": ssh,
    "compute tpus queued-resources scp": scp,
    "storage rsync": rsync,
}

if __name__ == "__main__":
    main()

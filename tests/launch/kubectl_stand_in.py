"""A stand-in of kubectl, run as a program; PLACE is the folder in which everything happens.

It refuses flags that the published help does not have and keeps what was applied in objects.json.
faults.json says what fails: {"connection": true}, {"jobset": false} (the cluster has none),
{"logs": TEXT}.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Never

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from published_help import flags

PLACE = Path(os.environ["PLACE"])
OBJECTS = PLACE / "objects.json"
KINDS = {"jobset": "JobSet", "job": "Job"}


def main() -> None:
    command, words = sys.argv[1], sys.argv[2:]
    given = sys.stdin.read() if "--filename=-" in words else ""
    with (PLACE / "calls.jsonl").open("a") as file:
        file.write(json.dumps(["kubectl", sys.argv[1:], given]) + "\n")
    if command not in COMMANDS:
        end(f'error: unknown command "{command}" for "kubectl"')
    for word in words:
        flag = word.partition("=")[0]
        if flag.startswith("-") and flag not in flags()["kubectl"][command]:
            end(f"error: unknown flag: {flag}")
    if faults().get("connection"):
        end("The connection to the server 10.0.0.1 was refused - did you specify the right host?")
    names = [word for word in words if not word.startswith("-")]
    options = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
    COMMANDS[command](options, names, given)


def end(message: str) -> Never:
    print(message, file=sys.stderr)
    sys.exit(1)


def faults() -> dict[str, Any]:
    path = PLACE / "faults.json"
    return json.loads(path.read_text()) if path.exists() else {}


def objects() -> dict[str, Any]:
    return json.loads(OBJECTS.read_text()) if OBJECTS.exists() else {}


def check_kinds(kinds: list[str]) -> None:
    if not faults().get("jobset", True) and any("jobset" in kind.lower() for kind in kinds):
        end(f'error: the server doesn\'t have a resource type "{kinds[0]}"')


def apply(_: dict[str, str], __: list[str], given: str) -> None:
    manifest = yaml.safe_load(given)
    if not faults().get("jobset", True) and manifest["kind"] == "JobSet":
        end('error: no matches for kind "JobSet" in version "jobset.x-k8s.io/v1alpha2"')
    key = f"{manifest['kind']}/{manifest['metadata']['name']}"
    if key in objects():
        end(f"The {key} is invalid: field is immutable")
    OBJECTS.write_text(json.dumps(objects() | {key: manifest}))
    print(f"{key} created")


def get(options: dict[str, str], names: list[str], _: str) -> None:
    check_kinds(names[0].split(","))
    if "selector" in options:
        print(*(key for key, found in objects().items() if selected(found, options)), sep="\n")
        return
    found = objects().get(f"{KINDS[names[0]]}/{names[1]}")
    assert options["output"] == (
        "jsonpath={.metadata.name} {.metadata.labels.distil-jax-asked} "
        '{.status.conditions[?(@.status=="True")].type}'
    )
    if found:
        conditions = found.get("status", {}).get("conditions", [])
        true = [one["type"] for one in conditions if one["status"] == "True"]
        asked = found["metadata"].get("labels", {}).get("distil-jax-asked", "")
        print(found["metadata"]["name"], asked, *true, end="")


def selected(found: dict[str, Any], options: dict[str, str]) -> bool:
    key, _, value = options["selector"].partition("=")
    return found["metadata"].get("labels", {}).get(key) == value


def delete(options: dict[str, str], names: list[str], _: str) -> None:
    check_kinds(names[0].split(","))
    left = {key: found for key, found in objects().items() if not selected(found, options)}
    gone = [f"{key} deleted" for key in objects() if key not in left]
    OBJECTS.write_text(json.dumps(left))
    print("\n".join(gone) or "No resources found", file=sys.stdout if gone else sys.stderr)


def logs(options: dict[str, str], _: list[str], __: str) -> None:
    if "logs" in faults():
        end(faults()["logs"])
    if not any(selected(found, options) for found in objects().values()):
        end("No resources found in default namespace.")
    print("[pod/run-slice-0-0] step 1")


def api_resources(_: dict[str, str], __: list[str], ___: str) -> None:
    if faults().get("jobset", True):
        print("jobsets.jobset.x-k8s.io")


COMMANDS = {
    "apply": apply,
    "get": get,
    "delete": delete,
    "logs": logs,
    "api-resources": api_resources,
}

if __name__ == "__main__":
    main()

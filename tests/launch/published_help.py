"""The flags that the cloud's tools have by their own help, recorded for the stand-ins.

`python tests/launch/published_help.py` writes published_help.json again; gcloud and kubectl must be
on PATH.
"""

import json
import os
import re
import subprocess
from pathlib import Path

RECORD = Path(__file__).with_suffix(".json")
STYLING = re.compile(r"\x1b\[[0-9;]*m")
FLAG = re.compile(r"--[a-z][a-z-]*[a-z]|(?<![\w-])-[A-Za-z]\b")


def flags() -> dict[str, dict[str, list[str]]]:
    """By tool and command, what is recorded."""
    recorded = json.loads(RECORD.read_text())["flags"]
    return {t: {c: line.split() for c, line in lines.items()} for t, lines in recorded.items()}


def published(tool: str, command: str) -> list[str]:
    """What the installed tool's help says."""
    environment = os.environ | {"CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1"}
    said = STYLING.sub("", _said([tool, *command.split(), "--help"], environment))
    if tool == "gcloud":
        said = said.split("\nDESCRIPTION\n")[0] + said.split("GCLOUD WIDE FLAGS")[1]
    else:
        options = said.split("\nOptions:\n")[1] + _said([tool, "options"], environment)
        said = "\n".join(line for line in options.splitlines() if re.match(r"\s+-", line))
    return sorted(set(FLAG.findall(said)))


def _said(words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def main() -> None:
    versions = {
        "gcloud": _said(["gcloud", "version"], dict(os.environ)).splitlines()[0],
        "kubectl": _said(["kubectl", "version", "--client"], dict(os.environ)).splitlines()[0],
    }
    found = {t: {c: " ".join(published(t, c)) for c in lines} for t, lines in flags().items()}
    RECORD.write_text(json.dumps({"versions": versions, "flags": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()

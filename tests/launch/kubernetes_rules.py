"""What an API server would say of a manifest: the schemas, and rules that are not in them.

Jobs, and everything in them, are checked against Kubernetes' own schemas (kubernetes-validate). The
shape of a JobSet is written down here from its API reference (jobset.x-k8s.io/v1alpha2): the
package of schemas does not have it.
"""

from typing import Any

import jsonschema
import kubernetes_validate

OLDEST, NEWEST = "1.29", kubernetes_validate.latest_version()
COUNT = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
LABEL = {"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}


def closed(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """The schema of an object without other fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


ACTIONS = ["FailJobSet", "RestartJobSet", "RestartJobSetAndIgnoreMaxRestarts"]
REASONS = ["BackoffLimitExceeded", "DeadlineExceeded", "FailedIndexes", "MaxFailedIndexesExceeded",
           "PodFailurePolicy"]  # fmt: skip
RULE = closed(
    ("name", "action"),
    name={"type": "string", "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
    action={"enum": ACTIONS},
    onJobFailureReasons={"type": "array", "items": {"enum": REASONS}},
    targetReplicatedJobs={"type": "array", "items": LABEL},
)
JOBSET = closed(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "jobset.x-k8s.io/v1alpha2"},
    kind={"const": "JobSet"},
    metadata={"type": "object"},
    spec=closed(
        ("replicatedJobs",),
        failurePolicy=closed(
            maxRestarts=COUNT,
            restartStrategy={"enum": ["Recreate", "BlockingRecreate"]},
            rules={"type": "array", "items": RULE},
        ),
        network=closed(
            enableDNSHostnames={"type": "boolean"},
            subdomain=LABEL,
            publishNotReadyAddresses={"type": "boolean"},
        ),
        replicatedJobs={
            "type": "array",
            "minItems": 1,
            "items": closed(
                ("name", "template"),
                name=LABEL,
                replicas=COUNT,
                template=closed(("spec",), metadata={"type": "object"}, spec={"type": "object"}),
            ),
        },
        successPolicy=closed(("operator",), operator={"enum": ["All", "Any"]}),
        suspend={"type": "boolean"},
        ttlSecondsAfterFinished=COUNT,
    ),
)


def check(manifest: dict[str, Any], version: str = OLDEST) -> None:
    """Raises what the API server of a version would refuse."""
    if manifest["kind"] == "Job":
        check_job(manifest, version)
        return
    jsonschema.validate(manifest, JOBSET)
    for job in manifest["spec"]["replicatedJobs"]:
        pod = f"{manifest['metadata']['name']}-{job['name']}-{job['replicas']}-"
        longest = f"{pod}{job['template']['spec']['completions']}-abcde"
        jsonschema.validate(longest, LABEL)
        check_job(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": manifest["metadata"],
                **job["template"],
            },
            version,
        )


def check_job(job: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(job, version, strict=True)
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    names = {container["name"] for container in pod["containers"]}
    for rule in spec.get("podFailurePolicy", {}).get("rules", []):
        assert pod["restartPolicy"] == "Never"
        assert len({"onExitCodes", "onPodConditions"} & rule.keys()) == 1
        codes = rule.get("onExitCodes")
        assert codes is None or codes["containerName"] in names
        assert codes is None or (
            codes["values"] == sorted(set(codes["values"])) and all(codes["values"])
        )
    assert "backoffLimitPerIndex" not in spec or spec["completionMode"] == "Indexed"
    for container in pod["containers"]:
        requested = container["resources"].get("requests", {})
        extended = {name: n for name, n in requested.items() if "/" in name}
        assert extended == container["resources"].get("limits", {})
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        assert mounted == {volume["name"] for volume in pod.get("volumes", [])}
    for labels in (job["metadata"].get("labels", {}), pod.get("nodeSelector", {})):
        assert all(len(value) <= 63 for value in labels.values())

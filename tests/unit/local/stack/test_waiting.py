"""Which objects an update waits for, from its state."""

from typing import Any

from local.stack.waiting import waited_for


def resource(kind: str, name: str, namespace: str = "north-serving", **more: Any) -> dict[str, Any]:
    return {"type": kind, "inputs": {"metadata": {"name": name, "namespace": namespace}}, **more}


def test_what_is_at_work_and_what_did_not_become_ready_is_waited_for() -> None:
    served = "kubernetes:serving.kserve.io/v1beta1:InferenceService"
    state = {
        "deployment": {
            "resources": [
                resource("kubernetes:core/v1:ConfigMap", "settings"),
                resource("kubernetes:batch/v1:Job", "copy", initErrors=["timed out"]),
            ],
            "pending_operations": [{"type": "creating", "resource": resource(served, "risk")}],
        }
    }
    assert waited_for(state) == {("InferenceService", "north-serving", "risk"), ("Job", "north-serving", "copy")}


def test_what_lies_in_no_namespace_or_no_cluster_is_left_out() -> None:
    at_work: list[dict[str, Any]] = [
        {"type": "kubernetes:core/v1:Namespace", "inputs": {"metadata": {"name": "north-serving"}}},
        {"type": "kubernetes:core/v1:Secret", "inputs": {}},
        {"type": "aws:s3/bucket:Bucket", "inputs": {"bucket": "raw"}},
        {"type": "pulumi:pulumi:Stack"},
    ]
    operations = [{"type": "creating", "resource": entry} for entry in at_work]
    assert waited_for({"deployment": {"resources": None, "pending_operations": operations}}) == set()
    assert waited_for({"deployment": {}}) == set()

"""The PriorityClasses and admission policies of the compliant stack."""

import json
from typing import Any

from policy_pack.facts.admission_table import RequiredPolicy, admission_table
from policy_pack.facts.secret_table import secret_table
from policy_pack.facts.zone_table import pool_table
from policy_pack.stack.graph import Resource
from tests.policy.builders import PREFIX, build
from tests.policy.world.pods import DIGEST


def priority_classes() -> list[Resource]:
    """Return the PriorityClasses of the pool table."""
    return [
        build(
            "kubernetes:scheduling.k8s.io/v1:PriorityClass",
            name,
            {
                "metadata": {"name": name},
                "value": value,
                "preemptionPolicy": "PreemptLowerPriority" if preempts else "Never",
            },
        )
        for name, (value, preempts) in pool_table().classes.items()
    ]


def admission() -> list[Resource]:
    """Return the policies of the admission table, and their bindings."""
    table = admission_table()
    values: dict[str, Any] = {
        "accounts": table.accounts,
        "audiences": table.audiences,
        "registries": {zone: ["hmlops.local/"] for zone in table.accounts},
        "tagged": {zone: [] for zone in table.accounts},
        "priorities": table.priorities,
        "selectors": {zone: {} for zone in table.accounts},
        "tolerations": {zone: {} for zone in table.accounts},
        "deployers": ["system:masters"],
        "administrators": ["system:masters"],
        "kserve": sorted(table.kserve)[0],
        "buckets": "hmlops-prod-",
        "injections": secret_table().annotations,
        "agent_image": f"hmlops.local/agent@{DIGEST}",
        "agent_script": sorted(table.agent_scripts)[0],
        **table.constants,
    }
    return [one for required in table.policies for one in _admission_policy(required, values)]


def _admission_policy(required: RequiredPolicy, values: dict[str, Any]) -> list[Resource]:
    name, api = f"healthcare-mlops-{required.name}", "kubernetes:admissionregistration.k8s.io/v1"
    rules = [
        {"apiGroups": [group], "apiVersions": ["*"], "operations": sorted(required.operations), "resources": [resource]}
        for group, resource in sorted(required.resources)
    ]
    variables = [
        {"name": key, "expression": json.dumps(values[key]) if text is None else text}
        for key, text in required.variables.items()
    ]
    condition = [{"name": "condition", "expression": required.condition}] if required.condition else []
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        "matchConditions": condition,
        "variables": variables,
        "validations": [{"expression": expression} for expression in required.rules.values()],
    }
    own = [{"key": f"{PREFIX}/hospital", "operator": "Exists"}]
    bound: dict[str, Any] = {"policyName": name, "validationActions": ["Deny", "Audit"]}
    if not required.everywhere:
        bound["matchResources"] = {"namespaceSelector": {"matchExpressions": own}}
    return [
        build(f"{api}:ValidatingAdmissionPolicy", name, {"metadata": {"name": name}, "spec": spec}),
        build(f"{api}:ValidatingAdmissionPolicyBinding", name, {"metadata": {"name": name}, "spec": bound}),
    ]

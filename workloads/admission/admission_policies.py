"""ValidatingAdmissionPolicies of the admission table, and their bindings to the namespaces of hospitals' zones."""

import pulumi
from pulumi_kubernetes.admissionregistration import v1 as admission
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, LabelSelectorRequirementArgs, ObjectMetaArgs

from infra.cluster.cluster import Cluster
from infra.settings import Settings, names
from workloads.admission.admission_table import Policy, table
from workloads.admission.admission_values import values
from workloads.zones import flow_table

# API groups without a dot.
_PLAIN_GROUPS = ("apps", "batch", "policy")


class AdmissionPolicies(pulumi.ComponentResource):
    """Policies with a binding each; the API server denies what they refuse, and records it in the audit log."""

    def __init__(
        self, name: str, settings: Settings, cluster: Cluster, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("healthcare-mlops:workloads:AdmissionPolicies", name, None, opts)
        parameters = values(table(), flow_table.table(), settings, cluster)
        for policy_name, policy in table().policies.items():
            self._policy(f"{names.DOMAIN}-{policy_name}", policy, parameters)
        self.register_outputs({})

    def _policy(self, name: str, policy: Policy, parameters: dict[str, str]) -> None:
        child, metadata = pulumi.ResourceOptions(parent=self), ObjectMetaArgs(name=name, labels=names.labels())
        condition = admission.MatchConditionArgs(name="condition", expression=policy.condition or "")
        declared = admission.ValidatingAdmissionPolicy(
            name,
            metadata=metadata,
            spec=admission.ValidatingAdmissionPolicySpecArgs(
                failure_policy="Fail",
                match_constraints=admission.MatchResourcesArgs(resource_rules=_resource_rules(policy)),
                match_conditions=[condition] if policy.condition else None,
                variables=[
                    admission.VariableArgs(name=variable.name, expression=variable.expression)
                    for variable in table().variables_of(policy, parameters)
                ],
                validations=[
                    admission.ValidationArgs(expression=rule.expression, message_expression=rule.message)
                    for rule in table().rules(policy)
                ],
            ),
            opts=child,
        )
        zones = None if policy.everywhere else admission.MatchResourcesArgs(namespace_selector=_zones_of_hospitals())
        admission.ValidatingAdmissionPolicyBinding(
            name,
            metadata=metadata,
            spec=admission.ValidatingAdmissionPolicyBindingSpecArgs(
                policy_name=declared.metadata.name, validation_actions=["Deny", "Audit"], match_resources=zones
            ),
            opts=child,
        )


def _resource_rules(policy: Policy) -> list[admission.NamedRuleWithOperationsArgs]:
    """Return one rule for each API group of a policy's resources."""
    by_group: dict[str, list[str]] = {}
    for resource in policy.resources:
        # What follows a name of the core group is a subresource.
        first, _, rest = resource.partition("/")
        group, plural = (first, rest) if "." in first or first in _PLAIN_GROUPS else ("", resource)
        by_group.setdefault(group, []).append(plural)
    return [
        admission.NamedRuleWithOperationsArgs(
            api_groups=[group], api_versions=["*"], operations=list(policy.operations), resources=plurals
        )
        for group, plurals in by_group.items()
    ]


def _zones_of_hospitals() -> LabelSelectorArgs:
    """Return the selector of the namespaces of zones; only the deployer sets their labels."""
    return LabelSelectorArgs(
        match_expressions=[
            LabelSelectorRequirementArgs(key=f"{names.DOMAIN}/hospital", operator="Exists"),
            LabelSelectorRequirementArgs(key=f"{names.DOMAIN}/hospital", operator="NotIn", values=[names.SHARED]),
        ]
    )

"""The allow list of providers, services, regions and resource types, and of what a reviewed type may contain."""

from policy_pack.controls.rules import ANY, context_check, join_check, resource_check
from policy_pack.stack.checks import Findings, StackContext, expect, is_empty, one_of, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import BUCKET, DATABASES, EKS, KEY, VPC
from policy_pack.stack.patches import unreviewed
from policy_pack.stack.pods import namespace, undescribed_pods
from policy_pack.stack.resource_types import refusal, resource_types

_PROVIDERS = tuple(f"pulumi:providers:{name}" for name in sorted(resource_types().providers))
_WITH_REFUSED_FIELDS = tuple(f"k8s:{name}" for name, kind in resource_types().kubernetes.items() if kind.refused)
_WITH_PATCHES = tuple(f"k8s:{name}" for name, kind in resource_types().kubernetes.items() if kind.patched)
_KUBERNETES = tuple(f"k8s:{name}" for name in resource_types().kubernetes)
_ROLLOUT = "k8s:argoproj.io/Rollout"


@context_check("INV-03", ANY)
def services_are_allowed(resource: Resource, context: StackContext) -> Findings:
    """Refuse providers and AWS services that are not on the allow list, and resource types that were not reviewed."""
    services = context.settings.services
    package, _, rest = resource.type.partition(":")
    if package == "pulumi" and rest.startswith("providers:"):
        package, rest = rest.removeprefix("providers:"), ""
    module = rest.partition("/")[0].partition(":")[0]
    reason = refusal(resource, context.settings.prefix)
    if package not in services.packages:
        yield violation(f"uses the provider {package}, which is not allowed")
    elif package == "aws" and rest and module not in services.aws:
        yield violation(f"uses the AWS service {module}, which is not allowed")
    elif reason:
        yield violation(reason)


@resource_check("INV-03", *_PROVIDERS)
def providers_are_the_published_plugins(provider: Resource) -> Findings:
    """Refuse a plugin of another address, and a Kubernetes provider that writes files instead of objects."""
    for path in ("pluginDownloadURL", "__internal.pluginDownloadURL", "__internal.parameterization"):
        yield from expect(provider.at(path), is_empty, "runs a plugin that is not the published one")
    yield from expect(provider.at("renderYamlToDirectory"), is_empty, "writes files instead of creating objects")


@resource_check("INV-03", *_WITH_REFUSED_FIELDS)
def fields_are_reviewed(resource: Resource) -> Findings:
    """Refuse fields that change pods in a way that the pack cannot evaluate, such as a patch."""
    row = resource_types().kind(resource)
    for path, reason in row.refused.items() if row else ():
        yield from expect(resource.at(path), is_empty, reason)


@resource_check("INV-03", *_WITH_PATCHES)
def patches_mount_volumes_alone(resource: Resource) -> Findings:
    """Refuse a patch of pods that changes more than volume mounts of containers that the table names."""
    row = resource_types().kind(resource)
    for path, containers in row.patched.items() if row else ():
        for view in unreviewed(resource.at(path), containers):
            yield violation("changes the pods by a patch that is not evaluated", view.path)


@resource_check("INV-03", *_KUBERNETES)
def pods_are_at_described_places(resource: Resource) -> Findings:
    """Refuse containers at a place that the table of resource types does not have, as no control evaluates them."""
    for view in undescribed_pods(resource):
        yield violation("has containers at a place that resource_types.yaml does not describe", view.path)


@join_check("INV-03", _ROLLOUT)
def rollouts_have_pods_of_this_stack(rollout: Resource, context: StackContext) -> Findings:
    """Require the pods of a Rollout: its own template, or a workload of this stack that it refers to."""
    reference = rollout.at("spec.workloadRef")
    if not rollout.at("spec.template").absent:
        return
    kind, name = reference.at("kind").text(), reference.at("name").text()
    workloads = context.graph.where("metadata.name", name, f"k8s:apps/{kind}", f"k8s:core/{kind}")
    if not any(namespace(workload).text() == namespace(rollout).text() for workload in workloads):
        yield violation(f"has the pods of {kind or 'no workload'} {name}, which this stack does not declare", "spec")


@context_check("INV-03", "pulumi:providers:aws")
def provider_regions_are_allowed(provider: Resource, context: StackContext) -> Findings:
    """Refuse regions that are not on the allow list."""
    yield from expect(
        provider.at("region"), one_of(*context.settings.services.regions), "is in a region that is not allowed"
    )


@context_check("INV-03", BUCKET, KEY, EKS, VPC, *DATABASES)
def resource_regions_are_allowed(resource: Resource, context: StackContext) -> Findings:
    """Refuse regions of single resources that are not on the allow list."""
    region = resource.at("region")
    yield from expect(
        region, lambda name: not name or name in context.settings.services.regions, "is in a region that is not allowed"
    )

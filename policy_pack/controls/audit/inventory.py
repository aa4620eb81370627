"""Ownership tags, agreements and contacts, and the allow list of services and regions."""

from policy_pack.controls.rules import ANY, context_check
from policy_pack.stack.checks import Findings, StackContext, expect, is_set, one_of, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import BUCKET, DATABASES, EKS, KEY, NAMESPACE, NODE_GROUP, REPOSITORY, ROLE, VPC

_DATA_STORES = (BUCKET, *DATABASES, "aws:msk/cluster:Cluster", "aws:efs/fileSystem:FileSystem", "aws:ebs/volume:Volume")
_TAGGED = (
    *_DATA_STORES,
    KEY,
    ROLE,
    VPC,
    EKS,
    NODE_GROUP,
    REPOSITORY,
    "aws:ec2/subnet:Subnet",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:cloudtrail/trail:Trail",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:backup/vault:Vault",
    "aws:secretsmanager/secret:Secret",
    "aws:sns/topic:Topic",
    "aws:sqs/queue:Queue",
    "aws:lb/loadBalancer:LoadBalancer",
)


@context_check("INV-01", *_TAGGED)
def resources_have_ownership_tags(resource: Resource, context: StackContext) -> Findings:
    """Require the tags environment, owner and phi; on data stores also hospital and data class."""
    tags, prefix = resource.at("tags"), context.settings.prefix
    for name in ("environment", "owner", *(("hospital", "data-class") if resource.kind in _DATA_STORES else ())):
        yield from expect(tags.key(f"{prefix}/{name}"), is_set, f"has no tag {name}")
    yield from expect(tags.key(f"{prefix}/phi"), one_of("true", "false"), "has no tag phi that is true or false")


@context_check("INV-01", NAMESPACE)
def namespaces_have_ownership_labels(namespace_object: Resource, context: StackContext) -> Findings:
    """Require the labels hospital, zone, owner and phi on namespaces."""
    labels, prefix = namespace_object.at("metadata.labels"), context.settings.prefix
    for name in ("hospital", "zone", "owner"):
        yield from expect(labels.key(f"{prefix}/{name}"), is_set, f"has no label {name}")
    yield from expect(labels.key(f"{prefix}/phi"), one_of("true", "false"), "has no label phi that is true or false")


_CONTACT = {
    "baa": "has no business associate agreement (annotation baa)",
    "security-contact": "has no security contact (annotation security-contact)",
    "notify": "has no endpoint for notices within 24 hours (annotation notify)",
}


@context_check("INV-02", NAMESPACE)
def hospitals_have_agreement_and_contact(namespace_object: Resource, context: StackContext) -> Findings:
    """Require an agreement and contacts on the namespace of each hospital's PHI zone."""
    if context.label(namespace_object, "zone") == "phi":
        for name, message in _CONTACT.items():
            yield from expect(context.annotation(namespace_object, name), is_set, message)


@context_check("INV-03", ANY)
def services_are_allowed(resource: Resource, context: StackContext) -> Findings:
    """Refuse providers and AWS services that are not on the allow list."""
    services = context.settings.services
    package, _, rest = resource.type.partition(":")
    if package == "pulumi" and rest.startswith("providers:"):
        package, rest = rest.removeprefix("providers:"), ""
    if package not in services.packages:
        yield violation(f"uses the provider {package}, which is not allowed")
    elif package == "aws" and rest:
        module = rest.partition("/")[0].partition(":")[0]
        if module not in services.aws:
            yield violation(f"uses the AWS service {module}, which is not allowed")


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

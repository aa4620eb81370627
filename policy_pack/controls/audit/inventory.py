"""Whose everything is, under which agreement, and whether it may be used at all."""

from policy_pack.controls.rules import ANY, on_set
from policy_pack.stack.checks import About, Findings, expect, fault, given, one_of
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import BUCKET, DATABASES, EKS, KEY, NAMESPACE, NODE_GROUP, REPOSITORY, ROLE, VPC

_DATA = (BUCKET, *DATABASES, "aws:msk/cluster:Cluster", "aws:efs/fileSystem:FileSystem", "aws:ebs/volume:Volume")
_TAGGED = (
    *_DATA,
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


@on_set("INV-01", *_TAGGED)
def everything_says_whose_it_is(resource: Resource, about: About) -> Findings:
    """Ask for environment, owner and whether it holds PHI; of data also hospital and class."""
    tags, prefix = resource.at("tags"), about.settings.prefix
    for name in ("environment", "owner", *(("hospital", "data-class") if resource.kind in _DATA else ())):
        yield from expect(tags.key(f"{prefix}/{name}"), given, f"has no tag {name}")
    yield from expect(tags.key(f"{prefix}/phi"), one_of("true", "false"), "does not say whether it holds PHI (tag phi)")


@on_set("INV-01", NAMESPACE)
def namespaces_say_whose_they_are(home: Resource, about: About) -> Findings:
    """Ask the same of namespaces, by labels."""
    labels, prefix = home.at("metadata.labels"), about.settings.prefix
    for name in ("hospital", "zone", "owner"):
        yield from expect(labels.key(f"{prefix}/{name}"), given, f"has no label {name}")
    yield from expect(
        labels.key(f"{prefix}/phi"), one_of("true", "false"), "does not say whether it holds PHI (label phi)"
    )


_CONTACT = {
    "baa": "names no agreement (annotation baa)",
    "security-contact": "names nobody to call (annotation security-contact)",
    "notify": "does not say where a notice within 24 hours goes (annotation notify)",
}


@on_set("INV-02", NAMESPACE)
def hospitals_have_agreement_and_contact(home: Resource, about: About) -> Findings:
    """Ask the PHI zone's namespace of each hospital for agreement and contacts."""
    if about.label(home, "zone") == "phi":
        for name, message in _CONTACT.items():
            yield from expect(about.note(home, name), given, message)


@on_set("INV-03", ANY)
def only_allowed_services(resource: Resource, about: About) -> Findings:
    """Refuse providers and services that nobody reviewed."""
    services = about.settings.services
    package, _, rest = resource.type.partition(":")
    if package == "pulumi" and rest.startswith("providers:"):
        package, rest = rest.removeprefix("providers:"), ""
    if package not in services.packages:
        yield fault(f"is of provider {package}, which is not allowed")
    elif package == "aws" and rest:
        module = rest.partition("/")[0].partition(":")[0]
        if module not in services.aws:
            yield fault(f"is of AWS service {module}, which is not allowed")


@on_set("INV-03", "pulumi:providers:aws")
def only_allowed_regions(provider: Resource, about: About) -> Findings:
    """Refuse regions that nobody reviewed."""
    yield from expect(
        provider.at("region"), one_of(*about.settings.services.regions), "is in a region that is not allowed"
    )


@on_set("INV-03", BUCKET, KEY, EKS, VPC, *DATABASES)
def data_is_in_allowed_regions(resource: Resource, about: About) -> Findings:
    """Refuse a region that a resource names against its provider."""
    region = resource.at("region")
    yield from expect(
        region, lambda name: not name or name in about.settings.services.regions, "is in a region that is not allowed"
    )

"""Records and recovery, weakened: what the trail records, which alarm reaches a person, how long each is kept."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from policy_pack.stack.graph import Resource
from tests.policy.attacks.mutation import GONE, Family, Mutation, Target, get
from tests.policy.attacks.properties import of_kinds
from tests.policy.attacks.stacks import ACCOUNT, FIRST, SECOND, STRANGER
from tests.policy.attacks.tables import edits, placed, values

FAMILY = "records"
_SELECTORS = ("advancedEventSelectors",)
_KINDS = (
    *("accessanalyzer", "backup", "cfg", "cloudtrail", "cloudwatch", "ebs", "ecr", "guardduty", "inspector2", "macie2"),
    *("kms", "msk", "rds", "s3", "securityhub", "sns", "sqs"),
)
_ELSEWHERE = re.compile(r"PublicAccessBlock|OwnershipControls|Policy:|subnetGroup|clusterInstance")
_HERE = re.compile(
    rf"aws:({'|'.join(_KINDS)})/|aws:ec2/flowLog|aws:iam/accountPassword|k8s:(policy|core/Limit|storage)"
)


def mutations(target: Target) -> Iterator[Mutation]:
    """Return the mutations of the family."""
    family = Family(FAMILY, target)
    for trail in target.of("aws:cloudtrail/trail:Trail"):
        yield from _trail(family, trail)
    for pattern in target.of("aws:cloudwatch/logMetricFilter:LogMetricFilter"):
        yield from _filter(family, pattern)
    for rule in target.of("aws:cloudwatch/eventRule:EventRule"):
        yield from _rule(family, rule)
    for kind in ("metricAlarm:MetricAlarm", "eventTarget:EventTarget", "eventRule:EventRule"):
        for one in target.of(f"aws:cloudwatch/{kind}"):
            yield family.drop(one)
    yield from _alerts(family)
    yield from _lifecycles(family)
    yield from _parameters(family)
    yield from _brokers(family)
    yield from _protection(family)
    yield from edits(family)
    for chart in target.of("k8s:helm.sh/Release"):
        for told, value in values("chart_values").items():
            held = {**(chart.props.get("values") or {}), **value}
            yield from family.put(chart, f"values with {told}", (("values",), held))
    yield from of_kinds(FAMILY, target, lambda kind: bool(_HERE.match(kind)) and not _ELSEWHERE.search(kind), most=1)


def _trail(family: Family, trail: Resource) -> Iterator[Mutation]:
    selectors = trail.props.get("advancedEventSelectors", [])
    for position, selector in enumerate(selectors):
        fields = selector["fieldSelectors"]
        category, place = fields[0]["equals"][0], (*_SELECTORS, position, "fieldSelectors")
        for told, limit in values("trail_limits").items():
            more = [*fields, placed(limit, family.target.name)]
            yield from family.put(trail, f"{category} events: {told}", (place, more))
        yield from family.put(trail, f"{category} events: none", ((*_SELECTORS, position), GONE))
        for kind in ("AWS::Lambda::Function", "AWS::DynamoDB::Table", "AWS::S3::AccessPoint"):
            other = [{**f, "equals": [kind]} if f["field"] == "resources.type" else f for f in fields]
            yield from family.put(trail, f"{category} events: objects of {kind}", (place, other))
        for told, prefix in (("other buckets", "other-"), ("one hospital", f"hmlops-{family.target.name}-{FIRST}-")):
            starts = {"field": "resources.ARN", "startsWiths": [f"arn:aws:s3:::{prefix}"]}
            other = [starts if f["field"] == "resources.ARN" else f for f in fields]
            yield from family.put(trail, f"{category} events: of {told}", (place, other))
    basic = [{"readWriteType": "WriteOnly", "includeManagementEvents": True}]
    yield from family.put(trail, "basic selectors of writes", (_SELECTORS, GONE), (("eventSelectors",), basic))


def _filter(family: Family, resource: Resource) -> Iterator[Mutation]:
    pattern = resource.props["pattern"]
    inside = pattern.strip("{} ")
    for told, other in (
        ("nothing", '{ $.eventName = "Nothing" }'),
        ("what contradicts itself", f'{{ ({inside}) && ($.eventName = "Nothing") }}'),
        ("one region", f'{{ ({inside}) && ($.awsRegion = "eu-north-1") }}'),
        ("the opposite", pattern.replace(" = ", " != ")),
        ("the other case", pattern.upper()),
    ):
        yield from family.put(resource, f"the pattern of {resource.name}: {told}", (("pattern",), other))
    parts = re.findall(r"\(\$\.eventName = \"[^\"]+\"(?: && [^)]*)?\)", pattern)
    for part in parts if len(parts) > 1 else ():
        fewer = pattern.replace(f"{part} || ", "").replace(f" || {part}", "")
        event = re.findall(r'"([^"]+)"', part)[0]
        yield from family.put(resource, f"the pattern of {resource.name}: without {event}", (("pattern",), fewer))


def _rule(family: Family, rule: Resource) -> Iterator[Mutation]:
    pattern = json.loads(rule.props.get("eventPattern") or "{}")
    yield from family.put(rule, f"{rule.name}: disabled", (("state",), "DISABLED"))
    yield from family.put(rule, f"{rule.name}: disabled by the older property", (("isEnabled",), False))
    for told, parts in (
        ("nothing", {"source": ["nothing"]}),
        ("one region", {"region": ["eu-north-1"]}),
        ("another account", {"account": [STRANGER]}),
        ("fewer types", {"detail-type": pattern.get("detail-type", [])[:1]}),
        ("fewer states", {"detail": _first_of(pattern.get("detail", {}))}),
        ("all but the source", {"source": [{"anything-but": pattern.get("source", ["x"])}]}),
    ):
        other = json.dumps({**pattern, **parts})
        if json.loads(other) != pattern:
            yield from family.put(rule, f"{rule.name}: {told}", (("eventPattern",), other))


def _first_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _first_of(item) for key, item in value.items()}
    return value[:1] if isinstance(value, list) else value


def _alerts(family: Family) -> Iterator[Mutation]:
    for resource in family.target.of("k8s:monitoring.coreos.com/PrometheusRule")[:1]:
        yield family.drop(resource)
        for number, entry in enumerate(get(resource.props, ("spec", "groups", 0, "rules")) or []):
            at = ("spec", "groups", 0, "rules", number)
            told, expression = str(entry.get("alert", number)), entry["expr"]
            yield from family.put(resource, f"{told}: never", ((*at, "expr"), "vector(0) > 1"))
            far = re.sub(r"> ?[\d.]+", "> 1000", expression)
            yield from family.put(resource, f"{told}: out of reach", ((*at, "expr"), far))
            yield from family.put(resource, f"{told}: after a year", ((*at, "for"), "8760h"))
            other = expression.replace(FIRST, SECOND)
            yield from family.put(resource, f"{told}: of the other hospital", ((*at, "expr"), other))
            yield from family.put(resource, f"{told}: removed", (at, GONE))
            yield from family.put(resource, f"{told}: without labels", ((*at, "labels"), GONE))


def _lifecycles(family: Family) -> Iterator[Mutation]:
    seen = set()
    for one in family.target.of("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"):
        word = one.name.rpartition("-")[2]
        if word in seen:
            continue
        seen.add(word)
        yield from family.put(one, f"{word}: no rules", (("rules",), []))
        more = {"id": "more", "status": "Enabled", "filter": {"prefix": ""}, "expiration": {"days": 1}}
        yield from family.put(one, f"{word}: one more rule that expires", (("rules", len(one.props["rules"])), more))
        for number, rule in enumerate(one.props["rules"]):
            for told, name, value in (
                ("a day", "expiration", {"days": 1}),
                ("a date", "expiration", {"date": "2020-01-01T00:00:00Z"}),
                ("versions for a day", "noncurrentVersionExpiration", {"noncurrentDays": 1}),
                ("disabled", "status", "Disabled"),
                ("of a tag", "filter", {"tag": {"key": "x", "value": "y"}}),
                ("of a size", "filter", {"objectSizeGreaterThan": 1000000}),
            ):
                yield from family.put(one, f"{word}, {rule['id']}: {told}", (("rules", number, name), value))


def _parameters(family: Family) -> Iterator[Mutation]:
    for group in family.target.of("aws:rds/clusterParameterGroup:ClusterParameterGroup"):
        held: list[dict[str, Any]] = group.props["parameters"]
        for name, wrong in values("database_parameters").items():
            rest = [one for one in held if one["name"] != name]
            yield from family.put(group, f"without {name}", (("parameters",), rest))
            for value in wrong:
                more = [*rest, {"name": name, "value": value, "applyMethod": "immediate"}]
                yield from family.put(group, f"{name} = {value!r}", (("parameters",), more))


def _brokers(family: Family) -> Iterator[Mutation]:
    name, off = "allow.everyone.if.no.acl.found", "allow.everyone.if.no.acl.found=false"
    for configuration in family.target.of("aws:msk/configuration:Configuration"):
        held = configuration.props["serverProperties"]
        for told, text in (
            ("everybody without ACL", held.replace(off, f"{name}=true")),
            ("nothing said of ACL", held.replace(f"{off}\n", "")),
            ("both", f"{held}{name}=true\n"),
            ("with spaces", held.replace(off, f"{name} = true")),
            ("with a colon", held.replace(off, f"{name}: true")),
            ("commented out", held.replace(off, f"#{off}")),
            ("topics made by use", held.replace("topics.enable=false", "topics.enable=true")),
            ("kept for ever", held.replace("log.retention.hours=72", "log.retention.hours=-1")),
            ("kept in milliseconds", f"{held}log.retention.ms=-1\n"),
            ("super users", f"{held}super.users=User:ANONYMOUS\n"),
            ("one replica", held.replace("min.insync.replicas=2", "min.insync.replicas=1")),
            ("unclean leaders", held.replace("election.enable=false", "election.enable=true")),
        ):
            yield from family.put(configuration, told, (("serverProperties",), text))


def _protection(family: Family) -> Iterator[Mutation]:
    """Return resources without the engine's protection, and another account's key where a resource has one."""
    seen: set[str] = set()
    for one in family.target.resources:
        if one.protect and one.kind not in seen:
            seen.add(one.kind)
            new = replace(one, protect=False)
            urns = frozenset({one.urn})
            yield Mutation(family.name, one.kind, "no protection by the engine", new, urns, (new,), family.target.name)
    for bucket in family.target.of(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ):
        at = ("rules", 0, "applyServerSideEncryptionByDefault", "kmsMasterKeyId")
        if get(bucket.props, at) and bucket.name == f"{FIRST}-raw":
            key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{FIRST}-models"
            yield from family.put(bucket, "another class's key", (at, key))
            yield from family.put(bucket, "the key of AWS", (at, "alias/aws/s3"))

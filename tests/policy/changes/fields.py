"""Every field that the API of a resource has, set wrong one at a time: which of them no control notices.

The fields are those of the SDK's classes, so that a field which the compliant stack does not set is tried as well.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi_aws import backup, cfg, cloudtrail, cloudwatch, ec2, msk, rds, s3, sns
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack.controls.rows import table
from policy_pack.engine.evaluate import Evaluator
from policy_pack.stack.graph import Graph, Resource
from tests.policy import world
from tests.policy.builders import GONE, STACK, changed
from tests.policy.evaluation import BROKEN
from tests.policy.world import aws

_HARMLESS = Path(__file__).with_name("fields.yaml")
_FAMILIES = ("AUD", "AUTH-05", "BCP", "ENC-05", "ENC-07", "ENC-08", "INT-02")
# A value of each form that a field may have; GONE leaves the field out.
WRONG: tuple[Any, ...] = (GONE, False, True, "other", 1, 100_000, ["other"], {"other": "x"}, [{"other": "x"}])
CLASSES: tuple[type[pulumi.CustomResource], ...] = (
    cloudtrail.Trail,
    cloudwatch.LogGroup,
    cloudwatch.LogMetricFilter,
    cloudwatch.MetricAlarm,
    cloudwatch.EventRule,
    cloudwatch.EventTarget,
    sns.Topic,
    sns.TopicPolicy,
    sns.TopicSubscription,
    ec2.FlowLog,
    cfg.Recorder,
    cfg.RecorderStatus,
    cfg.DeliveryChannel,
    backup.Plan,
    backup.Selection,
    backup.Vault,
    backup.VaultLockConfiguration,
    backup.RestoreTestingPlan,
    backup.RestoreTestingSelection,
    s3.BucketObjectLockConfiguration,
    s3.BucketReplicationConfig,
    rds.ClusterParameterGroup,
    rds.ParameterGroup,
    msk.Cluster,
    msk.Configuration,
)


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class _Fields:
    """Fields of one kind of resource, by the name of its class."""

    of: str
    names: tuple[str, ...]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class _Row:
    """Fields that no control of records and recovery has to notice, with the reason."""

    fields: tuple[_Fields, ...]
    why: str


@dataclass(frozen=True)
class Field:
    """One field of a kind of resource."""

    kind: str
    name: str

    @property
    def title(self) -> str:
        """The kind and the field, such as ``Trail.isMultiRegionTrail``."""
        return f"{self.kind.rpartition(':')[2]}.{self.name}"


def fields() -> Iterator[Field]:
    """Return every field of the classes."""
    for of in CLASSES:
        kind = str(vars(of)["pulumi_type"])
        for name in inspect.signature(vars(of)["_internal_init"]).parameters:
            if name not in ("__self__", "resource_name", "opts", "__props__"):
                yield Field(kind, _camel(name))


def compliant() -> list[Resource]:
    """Return the compliant stack with one hospital, and only its resources of AWS."""
    return [*world.platform(("north",)), *aws.hospital("north")]


def harmless() -> dict[str, str]:
    """Return the reason of each field that has one, by its title."""
    rows = TypeAdapter(tuple[_Row, ...]).validate_python(yaml.safe_load(_HARMLESS.read_text(encoding="utf-8")))
    return {f"{some.of}.{name}": row.why for row in rows for some in row.fields for name in some.names}


def noticed(field: Field, resources: Sequence[Resource]) -> bool:
    """Return whether a control notices one of the wrong values of a field."""
    target = [resource for resource in resources if resource.type == field.kind][-1]
    return any(
        _is_refused(changed(target, field.name, value), resources, target)
        for value in WRONG
        if not (value is GONE and field.name not in target.props)
    )


def _is_refused(wrong: Resource, resources: Sequence[Resource], target: Resource) -> bool:
    graph = Graph([wrong if resource is target else resource for resource in resources], STACK)
    return any(result.status in BROKEN for result in evaluator().evaluate_stack(graph))


@cache
def evaluator() -> Evaluator:
    """Return the evaluator of the controls of records and recovery."""
    controls = [control for control in table().rows if control.startswith(_FAMILIES)]
    return Evaluator(world.settings(), world.ADDRESSES, controls=controls)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)

"""Rows of the aws plugin for CloudWatch log groups, metric filters and alarms, and EventBridge rules."""

from collections.abc import Mapping
from typing import Any, Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call, Form, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.rows import Row

_GROUP: Final = {"logGroupName": "{id}"}
_TAGGED: Final = {"resourceArn": "{arn}"}

GROUP: Final = ApiType(
    "aws:cloudwatch/logGroup:LogGroup",
    "logs",
    Call("CreateLogGroup", names={"name": "logGroupName"}),
    Call("DescribeLogGroups", fixed={"logGroupNamePrefix": "{id}"}),
    "logGroups[?logGroupName=='{id}'] | [0]",
    "{name}",
    changes=(
        Call("PutRetentionPolicy", frozenset({"retentionInDays"}), fixed=_GROUP),
        Call("AssociateKmsKey", frozenset({"kmsKeyId"}), fixed=_GROUP),
    ),
    deletes=(Call("DeleteLogGroup", fixed=_GROUP),),
    reads={"name": "logGroupName", "skipDestroy": "", "retentionInDays": "retentionInDays", "kmsKeyId": "kmsKeyId"},
    derived={"arn": "arn:{partition}:logs:{region}:{account}:log-group:{name}"},
    tags=Tags(
        Call("TagResource", frozenset(), fixed=_TAGGED),
        Call("UntagResource", frozenset(), fixed=_TAGGED),
        sent="tags",
        into="tags",
        out="tagKeys",
        shown="tags",
        read=Call("ListTagsForResource", fixed=_TAGGED),
    ),
)

_COUNTED: Final = {
    "name": "metricName",
    "namespace": "metricNamespace",
    "value": "metricValue",
    "unit": "unit",
    "dimensions": "dimensions",
}


def _transformation(written: Mapping[str, Any]) -> list[dict[str, Any]]:
    sent = {theirs: written[ours] for ours, theirs in _COUNTED.items() if written.get(ours)}
    # A number in the API, a string in the official provider.
    default = {"defaultValue": float(written["defaultValue"])} if written.get("defaultValue") else {}
    return [{**sent, **default}]


def _shown_transformation(live: list[dict[str, Any]]) -> dict[str, Any]:
    shown = {ours: live[0][theirs] for ours, theirs in _COUNTED.items() if live[0].get(theirs)}
    default = live[0].get("defaultValue")
    return shown if default is None else {**shown, "defaultValue": f"{default:g}"}


FILTER: Final = ApiType(
    "aws:cloudwatch/logMetricFilter:LogMetricFilter",
    "logs",
    Call(
        "PutMetricFilter",
        names={"name": "filterName", "pattern": "filterPattern", "metricTransformation": "metricTransformations"},
    ),
    Call("DescribeMetricFilters", fixed={"logGroupName": "{logGroupName}", "filterNamePrefix": "{id}"}),
    "metricFilters[?filterName=='{id}'] | [0]",
    "{name}",
    changes=(
        Call(
            "PutMetricFilter",
            frozenset({"pattern", "metricTransformation"}),
            names={"pattern": "filterPattern", "metricTransformation": "metricTransformations"},
            fixed={"filterName": "{id}", "logGroupName": "{logGroupName}"},
        ),
    ),
    deletes=(Call("DeleteMetricFilter", fixed={"logGroupName": "{logGroupName}", "filterName": "{id}"}),),
    reads={"name": "filterName", "pattern": "filterPattern", "metricTransformation": "metricTransformations"},
    forms={"metricTransformation": Form(_transformation, _shown_transformation)},
)

_ALARM: Final = {"ResourceARN": "{arn}"}
ALARM: Final = ApiType(
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "cloudwatch",
    Call("PutMetricAlarm", names={"name": "AlarmName"}),
    Call("DescribeAlarms", fixed={"AlarmNames": ["{id}"]}),
    "MetricAlarms[0]",
    "{name}",
    changes=(Call("PutMetricAlarm", names={"name": "AlarmName"}),),
    deletes=(Call("DeleteAlarms", fixed={"AlarmNames": ["{id}"]}),),
    reads={"name": "AlarmName"},
    outputs={"arn": "AlarmArn"},
    tags=Tags(
        Call("TagResource", frozenset(), fixed=_ALARM),
        Call("UntagResource", frozenset(), fixed=_ALARM),
        read=Call("ListTagsForResource", fixed=_ALARM),
    ),
)

_RULE: Final = {"ResourceARN": "{arn}"}
RULE: Final = ApiType(
    "aws:cloudwatch/eventRule:EventRule",
    "events",
    Call("PutRule"),
    Call("DescribeRule", fixed={"Name": "{id}", "EventBusName": "{eventBusName}"}),
    "@",
    "{name}",
    changes=(
        Call(
            "PutRule",
            frozenset({"description", "eventPattern", "roleArn", "scheduleExpression", "state"}),
            fixed={"Name": "{id}", "EventBusName": "{eventBusName}"},
        ),
    ),
    deletes=(Call("DeleteRule", fixed={"Name": "{id}", "EventBusName": "{eventBusName}"}),),
    reads={"forceDestroy": ""},
    filled=frozenset({"state"}),
    outputs={"arn": "Arn"},
    tags=Tags(
        Call("TagResource", frozenset(), fixed=_RULE),
        Call("UntagResource", frozenset(), fixed=_RULE),
        read=Call("ListTagsForResource", fixed=_RULE),
    ),
)

_TARGETS: Final = {"Rule": "{rule}", "EventBusName": "{eventBusName}"}
TARGET: Final = ApiType(
    "aws:cloudwatch/eventTarget:EventTarget",
    "events",
    Call("PutTargets", names={"targetId": "Targets[0].Id", "id": ""}, inside="Targets[0]"),
    Call("ListTargetsByRule", fixed=_TARGETS),
    "Targets[?Id=='{targetId}'] | [0]",
    "{rule}-{targetId}",
    changes=(
        Call(
            "PutTargets",
            frozenset({"arn", "deadLetterConfig", "input", "inputPath", "retryPolicy", "roleArn"}),
            inside="Targets[0]",
            fixed={**_TARGETS, "Targets[0].Id": "{targetId}"},
        ),
    ),
    deletes=(Call("RemoveTargets", fixed={**_TARGETS, "Ids": ["{targetId}"]}),),
    reads={"rule": "", "eventBusName": "", "targetId": "Id", "arn": "Arn", "forceDestroy": ""},
)

_PATTERN: Final = frozenset({"eventPattern"})

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(GROUP, autoname="name", autoname_length=512, defaults={"skipDestroy": False}),
    row(FILTER, required=("logGroupName", "metricTransformation", "pattern"), autoname="name"),
    row(
        ALARM,
        required=("comparisonOperator", "evaluationPeriods"),
        autoname="name",
        defaults={"actionsEnabled": True, "treatMissingData": "missing"},
    ),
    row(
        RULE,
        autoname="name",
        autoname_length=64,
        json=_PATTERN,
        defaults={"eventBusName": "default", "forceDestroy": False},
    ),
    row(
        TARGET,
        required=("arn", "rule"),
        autoname="targetId",
        autoname_length=64,
        defaults={"eventBusName": "default", "forceDestroy": False},
    ),
)

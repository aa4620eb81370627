"""Rows of the aws plugin for CloudTrail trails and AWS Config recorders."""

from typing import Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.rows import Row

_TRAIL: Final = {"Name": "{name}"}
_TRAIL_NAMES: Final = {"cloudWatchLogsGroupArn": "CloudWatchLogsLogGroupArn"}
_SELECTORS: Final = frozenset({"advancedEventSelectors", "eventSelectors"})
_UPDATED: Final = frozenset(
    {
        "cloudWatchLogsGroupArn",
        "cloudWatchLogsRoleArn",
        "enableLogFileValidation",
        "includeGlobalServiceEvents",
        "isMultiRegionTrail",
        "isOrganizationTrail",
        "kmsKeyId",
        "s3BucketName",
        "s3KeyPrefix",
        "snsTopicName",
    }
)

TRAIL: Final = ApiType(
    "aws:cloudtrail/trail:Trail",
    "cloudtrail",
    Call("CreateTrail", names=_TRAIL_NAMES),
    Call("GetTrail", fixed=_TRAIL),
    "Trail",
    "TrailARN",
    changes=(
        Call("UpdateTrail", _UPDATED, names=_TRAIL_NAMES, fixed=_TRAIL),
        Call("PutEventSelectors", _SELECTORS, fixed={"TrailName": "{name}"}),
        Call("StartLogging", frozenset(), fixed=_TRAIL, asked="enableLogging"),
        Call("StopLogging", frozenset(), fixed=_TRAIL, denied="enableLogging"),
    ),
    deletes=(Call("DeleteTrail", fixed=_TRAIL),),
    reads={
        "advancedEventSelectors": "Selectors.AdvancedEventSelectors",
        "cloudWatchLogsGroupArn": "CloudWatchLogsLogGroupArn",
        "enableLogFileValidation": "LogFileValidationEnabled",
        "enableLogging": "Status.IsLogging",
        "eventSelectors": "Selectors.EventSelectors",
        "name": "Name",
    },
    outputs={"arn": "TrailARN", "homeRegion": "HomeRegion"},
    more={
        "Selectors": Call("GetEventSelectors", fixed={"TrailName": "{name}"}),
        "Status": Call("GetTrailStatus", fixed=_TRAIL),
    },
    tags=Tags(
        Call("AddTags", frozenset(), fixed={"ResourceId": "{id}"}),
        Call("RemoveTags", frozenset(), fixed={"ResourceId": "{id}"}),
        sent="TagsList",
        into="TagsList",
        out="TagsList",
        shown="ResourceTagList[0].TagsList",
        read=Call("ListTags", fixed={"ResourceIdList": ["{id}"]}),
    ),
)

_RECORDER: Final = {"ConfigurationRecorderNames": ["{id}"]}
RECORDER: Final = ApiType(
    "aws:cfg/recorder:Recorder",
    "config",
    Call("PutConfigurationRecorder", inside="ConfigurationRecorder"),
    Call("DescribeConfigurationRecorders", fixed=_RECORDER),
    "ConfigurationRecorders[0]",
    "{name}",
    changes=(
        Call(
            "PutConfigurationRecorder",
            frozenset({"recordingGroup", "recordingMode", "roleArn"}),
            inside="ConfigurationRecorder",
            fixed={"ConfigurationRecorder.name": "{id}"},
        ),
    ),
    deletes=(Call("DeleteConfigurationRecorder", fixed={"ConfigurationRecorderName": "{id}"}),),
    reads={"name": "name", "recordingGroup": "recordingGroup", "roleArn": "roleARN"},
)

_CHANNEL_PLACES: Final = {"snapshotDeliveryProperties": "DeliveryChannel.configSnapshotDeliveryProperties"}
CHANNEL: Final = ApiType(
    "aws:cfg/deliveryChannel:DeliveryChannel",
    "config",
    Call("PutDeliveryChannel", names=_CHANNEL_PLACES, inside="DeliveryChannel"),
    Call("DescribeDeliveryChannels", fixed={"DeliveryChannelNames": ["{id}"]}),
    "DeliveryChannels[0]",
    "{name}",
    changes=(
        Call(
            "PutDeliveryChannel",
            frozenset({"s3BucketName", "s3KeyPrefix", "s3KmsKeyArn", "snapshotDeliveryProperties", "snsTopicArn"}),
            names=_CHANNEL_PLACES,
            inside="DeliveryChannel",
            fixed={"DeliveryChannel.name": "{id}"},
        ),
    ),
    deletes=(Call("DeleteDeliveryChannel", fixed={"DeliveryChannelName": "{id}"}),),
    reads={
        "name": "name",
        "s3BucketName": "s3BucketName",
        "s3KeyPrefix": "s3KeyPrefix",
        "s3KmsKeyArn": "s3KmsKeyArn",
        "snapshotDeliveryProperties": "configSnapshotDeliveryProperties",
        "snsTopicArn": "snsTopicARN",
    },
)

_SWITCHED: Final = {"ConfigurationRecorderName": "{name}"}
STATUS: Final = ApiType(
    "aws:cfg/recorderStatus:RecorderStatus",
    "config",
    Call("StartConfigurationRecorder", names={"name": "ConfigurationRecorderName"}),
    Call("DescribeConfigurationRecorderStatus", fixed=_RECORDER),
    "ConfigurationRecordersStatus[0]",
    "{name}",
    changes=(
        Call("StartConfigurationRecorder", frozenset(), fixed=_SWITCHED, asked="isEnabled"),
        Call("StopConfigurationRecorder", frozenset(), fixed=_SWITCHED, denied="isEnabled"),
    ),
    deletes=(Call("StopConfigurationRecorder", fixed=_SWITCHED),),
    reads={"name": "name", "isEnabled": "recording"},
)

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(
        TRAIL,
        required=("s3BucketName",),
        autoname="name",
        autoname_length=128,
        defaults={
            "enableLogFileValidation": False,
            "enableLogging": True,
            "includeGlobalServiceEvents": True,
            "isMultiRegionTrail": False,
            "isOrganizationTrail": False,
        },
    ),
    row(RECORDER, required=("roleArn",), defaults={"name": "default"}),
    row(CHANNEL, required=("s3BucketName",), defaults={"name": "default"}),
    row(STATUS, required=("isEnabled", "name")),
)

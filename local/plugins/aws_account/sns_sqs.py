"""Rows of the aws plugin for SNS topics and subscriptions, and SQS queues."""

from typing import Any, Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call, Form, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.rows import Row

_TOPIC: Final = {"ResourceArn": "{id}"}


def _attribute(operation: str, name: str, key: str, subject: str, attribute: str = "{id}") -> Call:
    """Return the call that sets one attribute of a topic or subscription."""
    return Call(
        operation,
        frozenset({name}),
        names={name: "AttributeValue"},
        fixed={subject: attribute, "AttributeName": key},
    )


TOPIC: Final = ApiType(
    "aws:sns/topic:Topic",
    "sns",
    Call("CreateTopic"),
    Call("GetTopicAttributes", fixed={"TopicArn": "{id}"}),
    "Attributes",
    "TopicArn",
    changes=(
        _attribute("SetTopicAttributes", "kmsMasterKeyId", "KmsMasterKeyId", "TopicArn"),
        _attribute("SetTopicAttributes", "displayName", "DisplayName", "TopicArn"),
    ),
    deletes=(Call("DeleteTopic", fixed={"TopicArn": "{id}"}),),
    reads={"kmsMasterKeyId": "KmsMasterKeyId", "displayName": "DisplayName", "name": ""},
    outputs={"arn": "TopicArn", "owner": "Owner"},
    tags=Tags(
        Call("TagResource", frozenset(), fixed=_TOPIC),
        Call("UntagResource", frozenset(), fixed=_TOPIC),
        read=Call("ListTagsForResource", fixed=_TOPIC),
    ),
)

TOPIC_POLICY: Final = ApiType(
    "aws:sns/topicPolicy:TopicPolicy",
    "sns",
    Call(
        "SetTopicAttributes", names={"arn": "TopicArn", "policy": "AttributeValue"}, fixed={"AttributeName": "Policy"}
    ),
    Call("GetTopicAttributes", fixed={"TopicArn": "{id}"}),
    "Attributes",
    "{arn}",
    changes=(_attribute("SetTopicAttributes", "policy", "Policy", "TopicArn"),),
    reads={"arn": "TopicArn", "policy": "Policy"},
    outputs={"owner": "Owner"},
)

SUBSCRIPTION: Final = ApiType(
    "aws:sns/topicSubscription:TopicSubscription",
    "sns",
    Call("Subscribe", names={"topic": "TopicArn"}, fixed={"ReturnSubscriptionArn": True}),
    Call("GetSubscriptionAttributes", fixed={"SubscriptionArn": "{id}"}),
    "Attributes",
    "SubscriptionArn",
    changes=(
        _attribute("SetSubscriptionAttributes", "filterPolicy", "FilterPolicy", "SubscriptionArn"),
        _attribute("SetSubscriptionAttributes", "redrivePolicy", "RedrivePolicy", "SubscriptionArn"),
    ),
    deletes=(Call("Unsubscribe", fixed={"SubscriptionArn": "{id}"}),),
    reads={"topic": "TopicArn", "filterPolicy": "FilterPolicy", "redrivePolicy": "RedrivePolicy"},
    outputs={"arn": "SubscriptionArn", "ownerId": "Owner"},
)

_QUEUE: Final = {"QueueUrl": "{id}"}
# The API has all settings of a queue as strings.
_TEXT: Final = Form(str, str)
_NUMBER: Final = Form(lambda value: str(int(value)), int)
_SWITCH: Final = Form(lambda value: str(bool(value)).lower(), lambda text: str(text).lower() == "true")
_ATTRIBUTES: Final[dict[str, tuple[str, Form]]] = {
    "delaySeconds": ("DelaySeconds", _NUMBER),
    "kmsDataKeyReusePeriodSeconds": ("KmsDataKeyReusePeriodSeconds", _NUMBER),
    "kmsMasterKeyId": ("KmsMasterKeyId", _TEXT),
    "maxMessageSize": ("MaximumMessageSize", _NUMBER),
    "messageRetentionSeconds": ("MessageRetentionPeriod", _NUMBER),
    "receiveWaitTimeSeconds": ("ReceiveMessageWaitTimeSeconds", _NUMBER),
    "redrivePolicy": ("RedrivePolicy", _TEXT),
    "sqsManagedSseEnabled": ("SqsManagedSseEnabled", _SWITCH),
    "visibilityTimeoutSeconds": ("VisibilityTimeout", _NUMBER),
}
_PLACES: Final = {name: f"Attributes.{key}" for name, (key, _) in _ATTRIBUTES.items()}

QUEUE: Final = ApiType(
    "aws:sqs/queue:Queue",
    "sqs",
    Call("CreateQueue", names={"name": "QueueName", **_PLACES}),
    Call("GetQueueAttributes", fixed={**_QUEUE, "AttributeNames": ["All"]}),
    "Attributes",
    "QueueUrl",
    changes=(Call("SetQueueAttributes", frozenset(_ATTRIBUTES), names=_PLACES, fixed=_QUEUE),),
    deletes=(Call("DeleteQueue", fixed=_QUEUE),),
    reads={"name": "", **{name: key for name, (key, _) in _ATTRIBUTES.items()}},
    outputs={"arn": "QueueArn"},
    derived={"url": "{id}"},
    forms={name: form for name, (_, form) in _ATTRIBUTES.items()},
    tags=Tags(
        Call("TagQueue", frozenset(), fixed=_QUEUE),
        Call("UntagQueue", frozenset(), fixed=_QUEUE),
        sent="tags",
        into="Tags",
        out="TagKeys",
        read=Call("ListQueueTags", fixed=_QUEUE),
    ),
)

QUEUE_POLICY: Final = ApiType(
    "aws:sqs/queuePolicy:QueuePolicy",
    "sqs",
    Call("SetQueueAttributes", names={"queueUrl": "QueueUrl", "policy": "Attributes.Policy"}),
    Call("GetQueueAttributes", fixed={**_QUEUE, "AttributeNames": ["All"]}),
    "Attributes",
    "{queueUrl}",
    changes=(Call("SetQueueAttributes", frozenset({"policy"}), names={"policy": "Attributes.Policy"}, fixed=_QUEUE),),
    deletes=(Call("SetQueueAttributes", fixed={**_QUEUE, "Attributes": {"Policy": ""}}),),
    reads={"queueUrl": "", "policy": "Policy"},
    forms={"policy": _TEXT},
)

_POLICY: Final = frozenset({"policy"})
_REFILLED: Final[dict[str, Any]] = {"visibilityTimeoutSeconds": 30, "messageRetentionSeconds": 345600}

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(TOPIC, autoname="name", autoname_length=256, unsupported={"policy": "declare a TopicPolicy"}),
    row(TOPIC_POLICY, required=("arn", "policy"), json=_POLICY),
    row(SUBSCRIPTION, required=("endpoint", "protocol", "topic")),
    row(
        QUEUE, autoname="name", autoname_length=80, defaults=_REFILLED, unsupported={"policy": "declare a QueuePolicy"}
    ),
    row(QUEUE_POLICY, required=("policy", "queueUrl"), json=_POLICY),
)

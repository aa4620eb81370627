"""SNS topics: whether a service can publish to one, and whether its messages reach a person."""

from collections.abc import Iterable
from typing import Final

from policy_pack.facts.data_stores import EncryptionKeys
from policy_pack.facts.iam.conditions import Outcome, evaluate
from policy_pack.facts.iam.documents import Statement, statements
from policy_pack.facts.iam.wildcards import matches
from policy_pack.facts.records.table import records
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import NotKnownError

TOPIC: Final = "aws:sns/topic:Topic"
ALARMS: Final = "cloudwatch.amazonaws.com"
EVENTS: Final = "events.amazonaws.com"
_POLICY: Final = "aws:sns/topicPolicy:TopicPolicy"
SUBSCRIPTION: Final = "aws:sns/topicSubscription:TopicSubscription"
_KEYS: Final = ("arn", "id")
_USES_OF_KEY: Final = ("kms:GenerateDataKey", "kms:Decrypt")


def problem(graph: Graph, topic: Resource, service: str) -> str:
    """Return why the messages of a service do not reach a person by a topic; empty where they do.

    Raises
    ------
    NotKnownError
        When a value that decides it is not known yet.
    """
    subscriptions = graph.referrers(topic, SUBSCRIPTION, "topic", _KEYS)
    if not subscriptions and graph.unresolved(SUBSCRIPTION, "topic"):
        raise NotKnownError("topic")
    if topic.at("fifoTopic").value is True:
        return "is a FIFO topic, to which neither alarms nor event rules publish"
    reasons = [_subscription(subscription) for subscription in subscriptions]
    if all(reasons):
        return reasons[0] if reasons else "has no subscription"
    return _publishing(graph, topic, service) or _encryption(graph, topic, service)


def _subscription(subscription: Resource) -> str:
    """Return why a subscription does not bring every message to a person."""
    if subscription.at("protocol").text() not in records().protocols:
        return "has a subscription whose protocol reaches no person"
    if subscription.at("endpoint").absent:
        return "has a subscription without endpoint"
    # A filter leaves messages out; alarms have none of the attributes that it asks for.
    return "" if subscription.at("filterPolicy").absent else "has a subscription with a filter policy"


def _publishing(graph: Graph, topic: Resource, service: str) -> str:
    policies = graph.referrers(topic, _POLICY, "arn", _KEYS)
    if not policies and graph.unresolved(_POLICY, "arn"):
        raise NotKnownError("policy")
    views = [policy.at("policy") for policy in policies]
    if not topic.at("policy").absent and not policies:
        views = [topic.at("policy")]
    if not views:
        # By default the topic's own account may publish: CloudWatch alarms do so, EventBridge does not.
        return "" if service == ALARMS else f"has no policy that lets {service} publish"
    arn = topic.at("arn").value
    granted = [statement for view in views for statement in statements(view)]
    allowed = _allows(granted, service, "sns:Publish", str(arn or ""))
    return "" if allowed else f"has a policy that does not let {service} publish"


def _encryption(graph: Graph, topic: Resource, service: str) -> str:
    if topic.at("kmsMasterKeyId").absent:
        return ""
    key = EncryptionKeys(graph).of(topic)
    if key is None:
        known = topic.at("kmsMasterKeyId").text()
        return f"is encrypted with a key that does not let {service} use it" if known.startswith("alias/aws/") else ""
    granted = statements(key.at("policy"))
    arn = str(key.at("arn").value or "")
    usable = all(_allows(granted, service, action, arn) for action in _USES_OF_KEY)
    return "" if usable else f"is encrypted with a key whose policy does not let {service} use it"


def _allows(granted: Iterable[Statement], service: str, action: str, arn: str) -> bool:
    """Return whether statements allow a service an action, under no condition that may not hold, and deny none."""
    account = arn.split(":")[4] if arn.count(":") >= 5 else ""
    context = {"aws:securetransport": "true", "aws:principalisawsservice": "true"}
    if account:
        context["aws:sourceaccount"] = account
    allowed = False
    for statement in granted:
        if not _names(statement, service) or not statement.covers(action) or not _includes(statement, arn):
            continue
        outcome = evaluate(statement, context)
        if not statement.allows and outcome is not Outcome.NOT_MET:
            return False
        allowed = allowed or (statement.allows and outcome is Outcome.MET)
    return allowed


def _names(statement: Statement, service: str) -> bool:
    named = any(value in ("*", service) for _, value in statement.principals)
    return named is not ("Principal" in statement.negated)


def _includes(statement: Statement, arn: str) -> bool:
    covered = any(matches(pattern, arn) for pattern in statement.resources)
    return covered is not ("Resource" in statement.negated)

"""CloudTrail: a complete trail, to which every event of the record table is delivered."""

from collections.abc import Iterator

from policy_pack.controls.rules import join_check, resource_check, stack_check
from policy_pack.facts.data_stores import arn_of
from policy_pack.facts.records.table import RecordedEvent, records
from policy_pack.facts.records.trail import OPERATORS, TRAIL, reaches
from policy_pack.facts.structure import holds_phi
from policy_pack.stack.checks import Findings, StackContext, expect, is_empty, is_set, is_true, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS

_FUNCTION = "aws:lambda/function:Function"
_FIELDS = {
    "isMultiRegionTrail": (is_true, "is not a multi-region trail"),
    "includeGlobalServiceEvents": (
        lambda value: value is not False,
        "leaves out global services such as IAM",
    ),
    "enableLogFileValidation": (is_true, "has no log file validation"),
    "kmsKeyId": (is_set, "is not encrypted with a customer-managed KMS key"),
    "s3BucketName": (is_set, "has no bucket for its log files"),
    "cloudWatchLogsGroupArn": (is_set, "does not send its events to CloudWatch Logs"),
    "cloudWatchLogsRoleArn": (is_set, "has no role that writes to CloudWatch Logs"),
    "enableLogging": (lambda value: value is not False, "is switched off"),
}


@resource_check("AUD-01", TRAIL)
def trails_are_complete(trail: Resource) -> Findings:
    """Require a multi-region trail with a KMS key, log file validation and CloudWatch Logs."""
    for field, (predicate, message) in _FIELDS.items():
        yield from expect(trail.at(field), predicate, message)


@resource_check("AUD-01", TRAIL)
def selectors_are_complete(trail: Resource) -> Findings:
    """Refuse advanced selectors that CloudTrail does not accept: without a category, or with a field of no values."""
    if not trail.at("advancedEventSelectors").absent:
        other = trail.at("eventSelectors")
        yield from expect(other, is_empty, "has basic selectors beside advanced ones, which CloudTrail refuses")
    for selector in trail.at("advancedEventSelectors").items():
        fields = selector.at("fieldSelectors").items()
        if all(field.at("field").raw != "eventCategory" for field in fields):
            yield violation("has a selector of no category (eventCategory)", selector.path)
        for field in fields:
            if all(view.known and view.absent for name, view in field.fields() if name != "field"):
                yield violation("has a selector with a field of no values", field.path)
            if unknown := sorted({name for name, _ in field.fields()} - {"field", *OPERATORS}):
                yield violation(f"has a selector with {unknown[0]}, which is no operator of CloudTrail", field.path)


@join_check("AUD-01", TRAIL)
def trails_write_to_buckets_of_the_stack(trail: Resource, context: StackContext) -> Findings:
    """Refuse a trail whose bucket the stack does not have, as nothing shows who reads it and how long it lasts."""
    bucket = trail.at("s3BucketName")
    if bucket.known and not bucket.absent and not context.graph.target(trail, "s3BucketName", (BUCKET,), BUCKET_KEYS):
        yield violation("writes to a bucket that the stack does not have", bucket.path)


@stack_check("AUD-01")
def management_events_are_recorded(context: StackContext) -> Findings:
    """Require a trail where the stack uses AWS, and that each management event of the table reaches one."""
    if not context.graph.uses("aws"):
        return
    trails = context.graph.of(TRAIL)
    if not trails:
        yield violation("has no CloudTrail trail")
        return
    for event in records().events:
        if event.category == "Management" and not _recorded(trails, event):
            yield violation(f"no trail records {event.name} ({event.source} {event.event})")


@join_check("AUD-01", BUCKET, _FUNCTION)
def data_events_are_recorded(store: Resource, context: StackContext) -> Findings:
    """Require that each data event of the table, of every store that it is about, reaches a trail."""
    trails = context.graph.of(TRAIL)
    for event in _data_events(store, context):
        if not _recorded(trails, event, arn_of(store)):
            yield violation(f"no trail records {event.name} ({event.event})")


def _data_events(store: Resource, context: StackContext) -> Iterator[RecordedEvent]:
    events = [event for event in records().events if event.of == store.kind]
    if any(event.phi for event in events) and not holds_phi(store, context):
        return
    yield from events


def _recorded(trails: list[Resource], event: RecordedEvent, arn: str = "") -> bool:
    return any(reaches(trail, event, arn) for trail in trails)

"""Disposal of objects in a hospital's buckets: after the retention of its entry, neither sooner nor later."""

from collections.abc import Iterator

from policy_pack.controls.rules import join_check
from policy_pack.facts.records.table import records
from policy_pack.facts.structure import AUDIT, hospital_of, structural_classes
from policy_pack.stack.checks import Findings, StackContext, guarded, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.hospital_entries import HospitalEntry
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, BUCKET_LIFECYCLE
from policy_pack.stack.values import View

# The retention of a hospital's entry, by the data class of the bucket.
_RETENTIONS = {"raw": "raw", "curated": "curated", "identity": "curated"}
# Releases show what scored a patient.
_NEVER = "models"
# The most days for which deleted and replaced objects can be restored.
_NONCURRENT_DAYS = 90


@join_check("INT-01", BUCKET_LIFECYCLE)
def lifecycles_agree_with_the_entry(lifecycle: Resource, context: StackContext) -> Findings:
    """Require that current objects end when the hospital's entry says so, and their older versions soon after."""
    bucket = context.graph.target(lifecycle, "bucket", (BUCKET,), BUCKET_KEYS)
    entries = context.addresses.entries if context.addresses else {}
    entry = entries.get(hospital_of(bucket, context)) if bucket else None
    if bucket is None or entry is None:
        return
    rules = [rule for rule in lifecycle.at("rules").items() if rule.at("status").value != "Disabled"]
    classes = structural_classes(bucket, context)
    for retention in sorted({_RETENTIONS[name] for name in classes & _RETENTIONS.keys()}):
        yield from guarded(_ends(rules, entry, retention, hospital_of(bucket, context)), "rules")
    if _NEVER in classes:
        for days in _days(rules, "expiration.days"):
            message = f"deletes releases after {days} days; keep what scored a patient, without expiration"
            yield violation(message, "rules")


@join_check("INT-01", BUCKET_LIFECYCLE)
def records_end(lifecycle: Resource, context: StackContext) -> Findings:
    """Require that records end, current and replaced ones: what nobody may delete any more has names of patients."""
    bucket = context.graph.target(lifecycle, "bucket", (BUCKET,), BUCKET_KEYS)
    if bucket is None or AUDIT not in structural_classes(bucket, context):
        return
    rules = [rule for rule in lifecycle.at("rules").items() if rule.at("status").value != "Disabled"]
    most = records().bucket_days_at_most
    for path in ("expiration.days", "noncurrentVersionExpiration.noncurrentDays"):
        days = min(_days(rules, path), default=None)
        if days is None or days > most:
            found = "for ever" if days is None else f"for {days} days"
            yield violation(f"keeps records {found}; set {path} to at most {most}", "rules")


def _ends(rules: list[View], entry: HospitalEntry, retention: str, hospital: str) -> Findings:
    expected = entry.days[retention]
    first = min(_days(rules, "expiration.days"), default=None)
    if first != expected:
        found = "never deletes its objects" if first is None else f"deletes its objects after {first} days"
        yield violation(
            f"{found}, and the entry of {hospital} says {expected} (retention.{retention}); set expiration.days to it",
            "rules",
        )
    older = min(_days(rules, "noncurrentVersionExpiration.noncurrentDays"), default=None)
    if older is None or older > _NONCURRENT_DAYS:
        found = "for ever" if older is None else f"for {older} days"
        yield violation(
            f"keeps deleted and replaced objects {found}, so that they outlive their retention; set "
            f"noncurrentVersionExpiration.noncurrentDays to at most {_NONCURRENT_DAYS}",
            "rules",
        )


def _days(rules: list[View], path: str) -> Iterator[int]:
    """Return the days of the rules that have some; zero is none, as the API has it."""
    found = (rule.at(path).value for rule in rules)
    return (int(days) for days in found if days)

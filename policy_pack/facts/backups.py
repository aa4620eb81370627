"""AWS Backup selections: which resources a backup plan covers."""

from policy_pack.facts.data_stores import arn_of
from policy_pack.facts.iam.wildcards import matches
from policy_pack.stack.graph import Resource

PLAN = "aws:backup/plan:Plan"
SELECTION = "aws:backup/selection:Selection"


def selects(selection: Resource, resource: Resource) -> bool:
    """Return whether a backup selection covers a resource, by ARN or by tag.

    Raises
    ------
    NotKnownError
        When a value that decides it is not known yet.
    """
    for item in selection.at("resources").items():
        if not item.known:
            return resource.urn in selection.depends.get("resources", ())
        if matches(item.text(), arn_of(resource)):
            return True
    tags = resource.at("tags").value or {}
    return any(
        tag.at("type").text() in ("", "STRINGEQUALS") and tags.get(tag.at("key").text()) == tag.at("value").value
        for tag in selection.at("selectionTags").items()
    )

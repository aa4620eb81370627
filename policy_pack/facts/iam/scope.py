"""The scope of an Allow statement: whole services, every key, every bucket, every caller."""

from policy_pack.facts.iam.documents import Statement

DECRYPT = ("kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey")
READ_OBJECTS = ("s3:GetObject", "s3:GetObjectVersion")


def full_service_actions(statement: Statement) -> list[str]:
    """Return the actions that are all actions of a service, such as ``s3:*``, or of every service."""
    return [action for action in statement.actions if action == "*" or action.endswith(":*")]


def decrypts_with_every_key(statement: Statement) -> bool:
    """Return whether a statement allows decryption with every KMS key."""
    every_key = statement.any_resource or any(
        resource.startswith("arn:aws:kms:") and resource.endswith(("*", "key/*")) for resource in statement.resources
    )
    return statement.allows and every_key and statement.covers_any(DECRYPT)


def reads_every_bucket(statement: Statement) -> bool:
    """Return whether a statement allows reading objects in every bucket."""
    every_bucket = statement.any_resource or any(
        resource.startswith(("arn:aws:s3:::*", "arn:*:s3:::*")) for resource in statement.resources
    )
    return statement.allows and every_bucket and statement.covers_any(READ_OBJECTS)


def is_unrestricted(statement: Statement) -> bool:
    """Return whether a statement allows every principal every resource, without a condition."""
    return statement.allows and statement.any_principal and statement.any_resource and not statement.conditions

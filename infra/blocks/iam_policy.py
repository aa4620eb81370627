"""JSON policy documents of IAM, KMS, S3, SNS, SQS and ECR."""

import json

Statement = dict[str, object]


def policy_document(*statements: Statement) -> str:
    """Return a policy document as JSON text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})

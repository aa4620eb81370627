"""Building blocks of the other packages: AWS providers, KMS key, bucket, log group, IAM policies and roles."""

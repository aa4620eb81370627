"""Building blocks that the other packages declare resources with: providers, KMS key, bucket, log group, roles."""

"""Resource types of the aws plugin that hold data: S3, KMS, RDS, MSK, Secrets Manager, Backup."""

"""CronJobs of a hospital's pipeline: ingestion, features, training, re-identification."""

"""CronJobs of a hospital's pipeline: ingest, features, training, re-identification."""

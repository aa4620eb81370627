"""Buckets of hospitals, replication, access logs, backups, and the data-export role."""

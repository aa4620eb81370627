"""Buckets of hospitals, their replication, access logs, backups and the export of their data."""

"""Databases in the data subnets: Aurora PostgreSQL and MSK (Kafka)."""

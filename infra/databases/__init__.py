"""Aurora PostgreSQL and MSK Kafka in the data subnets."""

"""A hospital's warehouse: its curated tables and features in PostgreSQL, replaced as a whole by each features run."""

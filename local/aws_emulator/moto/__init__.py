"""Integration of moto, with corrections where it differs from AWS."""

"""AWS for a machine without AWS: moto behind real signatures, real IAM and a journal that survives kill -9."""

"""The programs that run in the pods beside the model package's own."""

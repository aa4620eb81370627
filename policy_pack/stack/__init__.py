"""A stack as plain data: resources, values that may be unknown, and readers of its formats."""

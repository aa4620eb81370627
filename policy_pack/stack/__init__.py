"""A stack as plain data: resources, values that may be unknown, and the formats that they are read from."""

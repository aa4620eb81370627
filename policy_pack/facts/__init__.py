"""Facts about a stack that several controls need: access, network connections, ownership and zones."""

"""Policy pack: HIPAA technical safeguards of a stack, as controls with one row and one or more checks each."""

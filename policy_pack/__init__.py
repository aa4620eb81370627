"""HIPAA technical safeguards as policies over the stack: one row and one pure function each."""

"""Changes of a stack, planted one at a time, and what the controls say of each."""

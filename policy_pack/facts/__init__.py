"""What a stack means: who can access what, who can reach whom, and whose a resource is."""

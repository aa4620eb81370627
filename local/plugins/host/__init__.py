"""Python language host of the Pulumi engine."""

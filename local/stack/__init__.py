"""The Pulumi CLI on the environment: updates, what they wait for, recovery, and the variables for a shell."""

"""Authentication and authorisation of the AWS emulator: signatures, sessions, IAM policies."""

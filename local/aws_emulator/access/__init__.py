"""Who asks the emulator, and what IAM allows: signatures, sessions, policies."""

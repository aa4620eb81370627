"""The tools that the environment runs on, and their builds from pinned Go modules."""

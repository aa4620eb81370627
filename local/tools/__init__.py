"""Tools of the environment, and their builds from pinned Go modules."""

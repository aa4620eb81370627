"""Controls of data: encryption, databases, continuity and integrity."""

"""Data controls: encryption, databases, continuity and integrity."""

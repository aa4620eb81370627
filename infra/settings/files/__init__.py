"""The settings as written: the project's file of a stack and the engine's overlay, read into validated settings."""

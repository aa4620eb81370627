"""`python -m model`: one module for each command."""

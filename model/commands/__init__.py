"""One module a command; ``model.cli`` puts them together."""

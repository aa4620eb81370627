"""The evidence as files: the page, its diagrams and tables."""

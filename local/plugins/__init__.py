"""Pulumi plugins for a machine that cannot download the official ones."""

"""Benchmarks: each module measures one target of the project, with a baseline in the same run."""

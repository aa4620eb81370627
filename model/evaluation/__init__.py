"""Evaluation of a run on its test patients: metrics, subgroups, plots and a report."""

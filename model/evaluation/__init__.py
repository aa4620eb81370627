"""Evaluation of a run on the patients that training did not see: figures, subgroups, pictures and one report."""

"""Runs, evaluations and releases in MLflow: a file beside the run, or the server of ``MLFLOW_TRACKING_URI``."""

"""MLflow tracking of runs, evaluations and releases."""

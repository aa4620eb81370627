"""Names of the metrics, by subject."""

BOUNDS = ("value", "low", "high")
PLAIN = ("roc_auc", "pr_auc", "brier", "brier_skill", "log_loss")
CALIBRATION = ("slope", "intercept", "ece")
AT_THRESHOLD = ("alert_rate", "sensitivity", "specificity", "precision", "npv", "f1", "net_benefit")
BENEFITS = ("model", "over_all", "over_default", "over_lace")
RECORDED = ("sex", "race", "ethnicity", "payer", "deprivation")
"""Attributes of patients, not of their illness, whose gaps a gate may ask for one by one."""
BY = ".by."
GAP = ("largest", "sure", *BOUNDS)
GAPS = ("roc_auc", "calibration", "sensitivity", "alert_rate")

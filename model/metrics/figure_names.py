"""Every figure of an evaluation that a gate may ask for, by its path; imports nothing, so that gates can read it."""

from collections.abc import Iterator

BOUNDS = ("value", "low", "high")
COUNTS = ("discharges", "patients", "readmissions")
PLAIN = ("roc_auc", "pr_auc", "brier", "brier_skill", "log_loss")
SPREADS = (*PLAIN, "f1", "lace_roc_auc", "over_lace")
CALIBRATION = ("slope", "intercept", "ece")
AT_THRESHOLD = ("alert_rate", "sensitivity", "specificity", "precision", "npv", "f1", "net_benefit")
BENEFITS = ("model", "over_all", "over_default", "over_lace")
RECORDED = ("sex", "race", "ethnicity", "payer", "deprivation")
"""Attributes of patients, not of their illness, whose gaps a gate may ask for one by one."""
BY = ".by."
GAP = ("largest", "sure", *BOUNDS)
GAPS = ("roc_auc", "calibration", "sensitivity", "alert_rate")


def _sample(spreads: tuple[str, ...]) -> Iterator[str]:
    yield from (f"counts.{name}" for name in COUNTS)
    yield from (f"{name}.{bound}" for name in spreads for bound in BOUNDS)
    for name in CALIBRATION:
        yield f"calibration.{name}"
        yield from (f"calibration.intervals.{name}.{bound}" for bound in BOUNDS)
    yield from _alert()


def _alert() -> Iterator[str]:
    yield "at_high.threshold"
    for name in AT_THRESHOLD:
        yield f"at_high.{name}"
        yield from (f"at_high.intervals.{name}.{bound}" for bound in BOUNDS)


def _paths() -> Iterator[str]:
    yield from _sample(SPREADS)
    yield from (f"later.{path}" for path in _sample(PLAIN))
    yield from (f"net_benefit.{name}.{bound}" for name in BENEFITS for bound in BOUNDS)
    yield "net_benefit.treat_all"
    yield from ("largest_gap", "sure_gap")
    yield from (f"gaps.{name}.{kind}" for name in GAPS for kind in GAP)
    yield from (f"gaps.{name}{BY}{attribute}.{kind}" for name in GAPS for attribute in RECORDED for kind in GAP)
    yield from (
        f"baseline.{name}.{bound}" for name in ("roc_auc", "over_roc_auc", "brier", "over_brier") for bound in BOUNDS
    )
    yield from ("data_contract.missingness_drift", "data_contract.constant_features", "data_contract.same_definitions")
    yield from ("stability.rank_correlation", "stability.risk_shift")


PATHS = frozenset(_paths())
# Figures that an evaluation gives with their 95 % interval.
INTERVALS = frozenset(path.removesuffix(".value") for path in PATHS if path.endswith(".value"))

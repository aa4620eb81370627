"""Feature suspected of target leakage."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Suspect:
    """A feature suspected of target leakage: its univariate ROC-AUC is far above all others.

    Attributes
    ----------
    roc_auc
        Its ROC-AUC alone.
    others
        The best ROC-AUC of the features that are no suspects, and of LACE where it is known.
    known_at_discharge
        What its definition says of the time that it is about; empty where nothing is declared.
    accepted_by, reason
        Who accepted it, as ``ROLE:NAME``, and why; empty where nobody did.
    """

    feature: str
    roc_auc: float
    others: float
    known_at_discharge: str = ""
    accepted_by: str = ""
    reason: str = ""

    @property
    def text(self) -> str:
        """Description for messages."""
        definition = (
            f"its definition says: {self.known_at_discharge}"
            if self.known_at_discharge
            else "nothing declares that it was known at discharge"
        )
        return f"{self.feature} (ROC-AUC {self.roc_auc:.3f} alone, the others at most {self.others:.3f}; {definition})"

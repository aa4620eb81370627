"""Units of a synthetic hospital."""

UNITS = ("cardiology", "medicine", "surgery")
"""Units by default, as people's sign-in names them."""


def display(unit: str) -> str:
    """Return the words by which an EHR shows a unit.

    Examples
    --------
    >>> display("internal-medicine")
    'Internal Medicine'
    """
    return unit.replace("-", " ").title()

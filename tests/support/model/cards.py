"""A model card with the source attributes of a release."""

from policy_pack.facts.releases import source_attributes


def card(unanswered: str = "", missing: str = "") -> str:
    """Return a model card with every source attribute, except one that is missing or has no answer."""
    rows = [
        f"| {one.id} | {one.name} | {'not known: nobody said' if one.id == unanswered else 'An answer.'} |"
        for one in source_attributes()
        if one.id != missing
    ]
    return "\n".join(["# Card", "", "## Source attributes", "", "| | attribute | answer |", "|---|---|---|", *rows, ""])

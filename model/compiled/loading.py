"""A stored compiled form as the model that computes with it."""

from model.compiled.document import LinearDocument, TreesDocument
from model.compiled.explanation import Explainer, Floats
from model.compiled.linear import LinearModel
from model.compiled.trees import TreesModel


def explainer(document: LinearDocument | TreesDocument, usual: Floats) -> Explainer:
    """Return the model of a compiled form.

    Parameters
    ----------
    document : LinearDocument or TreesDocument
        The compiled form.
    usual : array of shape (k,)
        The discharge that contributions are counted from; NaN where nothing was recorded.
    """
    return LinearModel(document, usual) if isinstance(document, LinearDocument) else TreesModel(document, usual)

"""Services: the programs of the pods other than the ``model`` commands."""

"""Tests of every part, in one process: joblib comes first, for what Pulumi loads (dill) alters pickle's tables."""

import joblib

PICKLES_WITH = joblib.__version__

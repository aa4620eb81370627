"""Readmission-risk model: from FHIR to a signed release.

The public names are imported on first use, so that a program that needs one package (the model server imports
``model.scoring``) loads nothing of the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.curated.ingested import Ingested
    from model.curated.run import ingest
    from model.errors import GateError, UserError
    from model.evaluation.run import evaluate
    from model.features.build import Featurised, Online
    from model.features.build import build as build_features
    from model.features.build import build_as_of as build_features_as_of
    from model.identity_store.reidentify import reidentify
    from model.identity_store.store import Identity
    from model.release.publish import Released
    from model.release.publish import release as publish_release
    from model.release.verify import Verified
    from model.release.verify import verify as verify_release
    from model.scoring.score import Reason, Score
    from model.scoring.scorer import Scorer
    from model.synthesis.run import Synthesized, synthesize
    from model.training.run import Run
    from model.training.train import train

__all__ = [
    "Featurised",
    "GateError",
    "Identity",
    "Ingested",
    "Online",
    "Reason",
    "Released",
    "Run",
    "Score",
    "Scorer",
    "Synthesized",
    "UserError",
    "Verified",
    "build_features",
    "build_features_as_of",
    "evaluate",
    "ingest",
    "publish_release",
    "reidentify",
    "synthesize",
    "train",
    "verify_release",
]

_MODULES = {
    "Featurised": "model.features.build:Featurised",
    "GateError": "model.errors:GateError",
    "Identity": "model.identity_store.store:Identity",
    "Ingested": "model.curated.ingested:Ingested",
    "Online": "model.features.build:Online",
    "Reason": "model.scoring.scorer:Reason",
    "Released": "model.release.publish:Released",
    "Run": "model.training.run:Run",
    "Score": "model.scoring.scorer:Score",
    "Scorer": "model.scoring.scorer:Scorer",
    "Synthesized": "model.synthesis.run:Synthesized",
    "UserError": "model.errors:UserError",
    "Verified": "model.release.verify:Verified",
    "build_features": "model.features.build:build",
    "build_features_as_of": "model.features.build:build_as_of",
    "evaluate": "model.evaluation.run:evaluate",
    "ingest": "model.curated.run:ingest",
    "publish_release": "model.release.publish:release",
    "reidentify": "model.identity_store.reidentify:reidentify",
    "synthesize": "model.synthesis.run:synthesize",
    "train": "model.training.train:train",
    "verify_release": "model.release.verify:verify",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'model' has no attribute {name!r}")
    module, _, attribute = _MODULES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__all__})

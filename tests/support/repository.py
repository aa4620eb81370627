"""The repository's folder; that of public data is ``bench.support.samples.shared``."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

"""Container images made without a registry or a daemon.

``layers`` says what goes into each layer, ``store`` keeps built layers, ``oci`` writes archives
and ``build`` puts the project's images together.
"""

from local.images.build import BuiltImage, build_all

__all__ = ["BuiltImage", "build_all"]

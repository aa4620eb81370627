"""Housekeeping of the container runtime: image import, and removal of stale containers and images."""

from local.cluster.host import run
from local.images.build import PREFIX, BuiltImage
from local.paths import Home

_NAMESPACE = ("--namespace", "k8s.io")


def _ctr(home: Home, *arguments: str, check: bool = True) -> str:
    return run("/usr/bin/ctr", "--address", str(home.containerd_socket), *_NAMESPACE, *arguments, check=check)


def import_images(home: Home, images: dict[str, BuiltImage]) -> list[str]:
    """Import the images missing in the runtime; return their references."""
    present = set(_ctr(home, "images", "ls", "--quiet").split())
    missing = [image for image in images.values() if not {image.reference, image.tagged} <= present]
    for image in missing:
        _ctr(home, "images", "import", str(image.archive))
    return [image.reference for image in missing]


def forget_containers(home: Home) -> None:
    """Remove the records of containers whose processes have ended; the kubelet then restarts the pods."""
    for name in _ctr(home, "containers", "ls", "--quiet").split():
        _ctr(home, "containers", "rm", name, check=False)
    for name in _ctr(home, "snapshots", "ls").splitlines()[1:]:
        columns = name.split()
        if columns and columns[-1] == "Active":
            _ctr(home, "snapshots", "rm", columns[0], check=False)


def prune(home: Home, images: dict[str, BuiltImage]) -> None:
    """Remove the project's images of earlier builds that no deployed object references."""
    current = {name for image in images.values() for name in (image.reference, image.tagged)}
    present = _ctr(home, "images", "ls", "--quiet").split()
    old = [name for name in present if name.startswith(PREFIX) and name not in current]
    if old:
        _ctr(home, "images", "rm", *old)

"""The container runtime's own housekeeping: images in, remains of a dead run out."""

from local.cluster.host import run
from local.images.build import PREFIX, BuiltImage
from local.paths import Home

_NAMESPACE = ("--namespace", "k8s.io")


def _ctr(home: Home, *arguments: str, check: bool = True) -> str:
    return run("/usr/bin/ctr", "--address", str(home.containerd_socket), *_NAMESPACE, *arguments, check=check)


def import_images(home: Home, images: dict[str, BuiltImage]) -> list[str]:
    """Import the images that the runtime lacks; return their references."""
    present = set(_ctr(home, "images", "ls", "--quiet").split())
    missing = [image for image in images.values() if not {image.reference, image.tagged} <= present]
    for image in missing:
        _ctr(home, "images", "import", str(image.archive))
    return [image.reference for image in missing]


def forget_containers(home: Home) -> None:
    """Drop the records of containers whose processes are dead: the kubelet starts the pods anew."""
    for name in _ctr(home, "containers", "ls", "--quiet").split():
        _ctr(home, "containers", "rm", name, check=False)
    for name in _ctr(home, "snapshots", "ls").splitlines()[1:]:
        columns = name.split()
        if columns and columns[-1] == "Active":
            _ctr(home, "snapshots", "rm", columns[0], check=False)


def prune(home: Home, images: dict[str, BuiltImage]) -> None:
    """Remove the project's images of earlier builds, once nothing deployed names them."""
    current = {name for image in images.values() for name in (image.reference, image.tagged)}
    present = _ctr(home, "images", "ls", "--quiet").split()
    old = [name for name in present if name.startswith(PREFIX) and name not in current]
    if old:
        _ctr(home, "images", "rm", *old)

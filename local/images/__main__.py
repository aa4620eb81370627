"""``python -m local.images``: build the images and say what they are called."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from local.errors import UserError
from local.images.build import build_all
from local.paths import REPOSITORY, cache


def main() -> int:
    """Build all images."""
    parser = argparse.ArgumentParser(prog="python -m local.images", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the images as JSON")
    parser.add_argument("--go", default="go", help="the Go command")
    parser.add_argument("--coredns", type=Path, help="the CoreDNS program")
    options = parser.parse_args()
    try:
        built = build_all(
            cache(),
            REPOSITORY / "build",
            progress=lambda line: print(line, file=sys.stderr),
            go=options.go,
            programs={"coredns": options.coredns} if options.coredns else {},
        )
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        described = {name: dataclasses.asdict(image) for name, image in built.items()}
        print(json.dumps(described, indent=2, default=str))
    else:
        print("\n".join(image.reference for image in built.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

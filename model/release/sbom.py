"""Software bill of materials of a release, in CycloneDX: the packages that its pipeline needs."""

import json
import platform
import re
from collections.abc import Iterable
from importlib import metadata
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement

from model.errors import UserError

_CLASSIFIER = "License :: OSI Approved :: "
_LONGEST_LICENCE_NAME = 80
# What says when and by what a file was written; the same release has the same bill.
_CLOCK = ("timestamp", "tools")


def sbom(*, name: str, version: str, pipeline_sha256: str, packages: Iterable[str]) -> bytes:
    """Return the bill as CycloneDX 1.6 JSON, without a clock: the same pipeline and packages give the same bytes.

    Parameters
    ----------
    name, version : str
        The model that it is of.
    pipeline_sha256 : str
        Hash of its pipeline.
    packages : iterable of str
        Python packages whose code the pipeline is made of; what they require is found in the installed distributions.
    """
    model = Component(
        name=name,
        version=version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"{name}@{version}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=pipeline_sha256)],
    )
    python = Component(
        name="python",
        version=platform.python_version(),
        type=ComponentType.PLATFORM,
        bom_ref=f"python@{platform.python_version()}",
        purl=PackageURL("generic", name="python", version=platform.python_version()),
        licenses=[LicenseFactory().make_from_string("PSF-2.0")],
    )
    bill = Bom(components=[python], serial_number=uuid5(NAMESPACE_URL, f"{name}@{version}#{pipeline_sha256}"))
    bill.metadata.component = model
    needed = closure(distributions(packages))
    parts = {key: _component(distribution) for key, distribution in needed.items()}
    for part in parts.values():
        bill.components.add(part)
    roots = [parts[key] for key in distributions(packages)]
    bill.register_dependency(model, [python, *roots])
    for key, distribution in needed.items():
        bill.register_dependency(parts[key], [parts[other] for other in _required(distribution) if other in parts])
    written: str = JsonV1Dot6(bill).output_as_string(indent=2)
    return _without_clock(written)


def distributions(packages: Iterable[str]) -> list[str]:
    """Return the installed distributions that provide some packages."""
    provided = metadata.packages_distributions()
    names = {_normal(name) for package in packages for name in provided.get(package, [])}
    return sorted(names)


def closure(roots: Iterable[str]) -> dict[str, metadata.Distribution]:
    """Return distributions and all that they require here, by normalised name."""
    needed: dict[str, metadata.Distribution] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        try:
            needed[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise UserError(
                f"The pipeline needs {name}, which is not installed; install what the lock names."
            ) from None
        waiting.extend(_required(needed[name]))
    return dict(sorted(needed.items()))


def _required(distribution: metadata.Distribution) -> list[str]:
    wanted = [Requirement(text) for text in distribution.requires or []]
    return sorted({_normal(r.name) for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})})


def _component(distribution: metadata.Distribution) -> Component:
    name = _normal(distribution.name)
    licence = _licence(distribution)
    return Component(
        name=name,
        version=distribution.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{name}@{distribution.version}",
        purl=PackageURL("pypi", name=name, version=distribution.version),
        licenses=[licence] if licence else [],
    )


def _licence(distribution: metadata.Distribution) -> Any:
    """Return the licence that a distribution declares: an expression, else its classifiers, else a short name."""
    about = distribution.metadata
    if expressions := about.get_all("License-Expression"):
        return LicenseFactory().make_from_string(expressions[0])
    classes = [text.removeprefix(_CLASSIFIER) for text in about.get_all("Classifier") or [] if _CLASSIFIER in text]
    text = (
        " or ".join(classes) or (about.get_all("License") or [""])[0].strip().partition("\n")[0][:_LONGEST_LICENCE_NAME]
    )
    return LicenseFactory().make_with_name(text) if text else None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _without_clock(written: str) -> bytes:
    content: dict[str, Any] = json.loads(written)
    for name in _CLOCK:
        content["metadata"].pop(name, None)
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode()

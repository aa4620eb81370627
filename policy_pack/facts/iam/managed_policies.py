"""AWS managed policies: their documents, from the copy that the package moto carries."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

_ARN = "arn:aws:iam::aws:policy"
_MODULE = "iam/aws_managed_policies.py"


def is_managed_by_aws(arn: str) -> bool:
    """Return whether an ARN is one of an AWS managed policy."""
    return arn.startswith(f"{_ARN}/")


def managed_policy(arn: str) -> Mapping[str, Any] | None:
    """Return the document of an AWS managed policy; None for one that moto does not have."""
    return _documents().get(arn)


@cache
def _documents() -> Mapping[str, Mapping[str, Any]]:
    """Return the documents by ARN; none where moto is not installed, so that every such policy is refused."""
    package = find_spec("moto")
    file = next((f for f in (Path(p) / _MODULE for p in _folders(package)) if f.is_file()), None)
    # The package itself is not imported: only this file of it is data.
    spec = spec_from_file_location("moto_managed_policies", file) if file else None
    if spec is None or spec.loader is None:
        return {}
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    policies = json.loads(module.aws_managed_policies_data)
    return {f"{_ARN}{policy['Path']}{name}": policy["Document"] for name, policy in policies.items()}


def _folders(package: Any) -> list[str]:
    return list(package.submodule_search_locations or ()) if package else []

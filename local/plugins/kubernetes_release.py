"""Releases of Helm: checked and recorded, and never said to run, as charts cannot be fetched here."""

from collections.abc import Iterable
from typing import Any, Final

from typing_extensions import override

from local.plugins.common import (
    UNKNOWN,
    Checked,
    Created,
    Diff,
    Failure,
    Path,
    Props,
    Provider,
    Read,
    Request,
    differences,
)

RELEASE: Final = "kubernetes:helm.sh/v3:Release"
NOT_RUN: Final = "notRun"
_TEXTS: Final = ("chart", "version", "name", "namespace", "description", "keyring", "postrender", "compat")
_MAPS: Final = ("values", "repositoryOpts", "resourceNames", "manifest")
_SWITCHES: Final = (
    *("allowNullValues", "atomic", "cleanupOnFail", "createNamespace", "dependencyUpdate", "devel", "disableCRDHooks"),
    *("disableOpenapiValidation", "disableWebhooks", "forceUpdate", "lint", "recreatePods", "renderSubchartNotes"),
    *("replace", "resetValues", "reuseValues", "skipAwait", "skipCrds", "takeOwnership", "verify", "waitForJobs"),
)
_KINDS: Final[dict[str, tuple[type, str]]] = {
    **dict.fromkeys(_TEXTS, (str, "text")),
    **dict.fromkeys(_MAPS, (dict, "a map")),
    **dict.fromkeys(_SWITCHES, (bool, "true or false")),
    "valueYamlFiles": (list, "a list"),
    "timeout": (float, "a number of seconds"),
    "maxHistory": (float, "a number"),
}
_REPOSITORY: Final = ("repo", "caFile", "certFile", "keyFile", "username", "password")
_FIXED: Final = ("name", "namespace")


class Releases(Provider):
    """Keeps what a release declares, with the output ``notRun``."""

    name = "kubernetes"
    version = ""

    @override
    def check(self, request: Request) -> Checked:
        given = {key: value for key, value in request.inputs.items() if value is not None}
        old = request.old_inputs.get("name")
        drawn = f"{request.name}-{request.random_seed.hex()[:8]}"
        named = {"name": old or request.proposed_name or drawn, "namespace": "default"}
        return Checked({**named, **given}, tuple(_failures(given)))

    @override
    def diff(self, request: Request) -> Diff:
        changes = differences(request.old_inputs, request.inputs)
        return Diff(changes, frozenset(path for path in changes if path[0] in _FIXED))

    @override
    def create(self, request: Request) -> Created:
        inputs = request.inputs
        made = "" if request.preview else f"{inputs['namespace']}/{inputs['name']}"
        return Created(made, _recorded(request))

    @override
    def update(self, request: Request) -> Props:
        return _recorded(request)

    @override
    def read(self, request: Request) -> Read:
        return Read(request.id, request.state, request.old_inputs)

    @override
    def delete(self, request: Request) -> None:
        """Forget it; nothing ever ran."""


def _recorded(request: Request) -> Props:
    inputs = request.inputs
    request.log.warn(f"not run: chart {inputs['chart']} {inputs.get('version') or ''} was checked and recorded alone")
    return {**inputs, NOT_RUN: True}


def _failures(given: Props) -> Iterable[Failure]:
    for key, value in given.items():
        if key not in _KINDS:
            yield Failure(key, f"a release of Helm has no input {key}")
        elif value is not UNKNOWN and not _is(value, _KINDS[key][0]):
            yield Failure(key, f"{key} of a release must be {_KINDS[key][1]}")
    chart, repository = given.get("chart"), given.get("repositoryOpts")
    if not chart:
        yield Failure("chart", "a release names its chart")
    if isinstance(repository, dict):
        for key in sorted(repository.keys() - set(_REPOSITORY)):
            yield Failure(f"repositoryOpts.{key}", f"a chart's repository has no setting {key}")
        if repository.get("repo") and isinstance(chart, str) and chart.startswith("oci://"):
            yield Failure("repositoryOpts.repo", "a chart at an oci:// address has no repository besides")


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind)


class WithReleases(Provider):
    """A provider that leaves releases of Helm to :class:`Releases`, and all else to another."""

    def __init__(self, other: Provider) -> None:
        super().__init__()
        self.name, self.version, self.cancelled = other.name, other.version, other.cancelled
        self._other, self._releases = other, Releases()

    def _of(self, request: Request) -> Provider:
        return self._releases if request.type == RELEASE else self._other

    @override
    def check_config(self, request: Request) -> Checked:
        return self._other.check_config(request)

    @override
    def diff_config(self, request: Request) -> Diff:
        return self._other.diff_config(request)

    @override
    def configure(self, config: Props) -> None:
        self._other.configure(config)

    @override
    def secret_paths(self, request: Request) -> Iterable[Path]:
        return self._of(request).secret_paths(request)

    @override
    def check_secret_paths(self, request: Request) -> Iterable[Path]:
        return self._of(request).check_secret_paths(request)

    @override
    def check(self, request: Request) -> Checked:
        return self._of(request).check(request)

    @override
    def diff(self, request: Request) -> Diff:
        return self._of(request).diff(request)

    @override
    def create(self, request: Request) -> Created:
        return self._of(request).create(request)

    @override
    def read(self, request: Request) -> Read:
        return self._of(request).read(request)

    @override
    def update(self, request: Request) -> Props:
        return self._of(request).update(request)

    @override
    def delete(self, request: Request) -> None:
        self._of(request).delete(request)

    @override
    def invoke(self, token: str, args: Props) -> Props:
        return self._other.invoke(token, args)

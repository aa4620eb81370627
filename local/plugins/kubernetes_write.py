"""Creation and change of objects in the cluster, and rehearsals of both."""

import contextlib
from dataclasses import dataclass
from typing import Final

from local.plugins.common import PluginError, Props, Request
from local.plugins.kubernetes_api import ApiError, Cluster, NoKindError, UnreachableError
from local.plugins.kubernetes_fields import created_here, respect_ignored, taken_over
from local.plugins.kubernetes_objects import PATCH_FORCE, id_of, is_true, kind_of, metadata, namespace_of
from local.plugins.kubernetes_settings import Settings

_TRIES: Final = 6
_FIRST_PAUSE: Final = 0.5


def cannot_foretell(error: PluginError) -> bool:
    """Return whether a rehearsal failed for a reason that the real run need not share.

    The namespace or kind may be made by the same plan, the object may be about to be
    replaced, a webhook may not be up yet or not take rehearsals.
    """
    if isinstance(error, UnreachableError | NoKindError):
        return True
    if not isinstance(error, ApiError):
        return False
    refused = "does not support dry run" in str(error)
    return error.missing or refused or error.status in (403, 409) or error.status >= 500


@dataclass(frozen=True)
class Writer:
    """Writes to one cluster."""

    cluster: Cluster
    settings: Settings

    def try_create(self, request: Request, inputs: Props) -> Props:
        """Rehearse a creation."""
        live, warnings = self.cluster.create(inputs, dry_run=True)
        _warn(request, warnings)
        return live

    def create(self, request: Request, inputs: Props, manager: str) -> Props:
        """Create an object; wait a little for its namespace or its kind to appear."""
        pause = _FIRST_PAUSE
        for attempt in range(1, _TRIES + 1):
            try:
                return self._create_once(request, inputs, manager)
            except ApiError as error:
                passing = error.missing or self._is_going(error, inputs)
                if not passing or attempt == _TRIES:
                    raise self._explained(error, inputs) from None
                request.log.status(f"Retry #{attempt}; creation failed: {error}")
            if request.cancelled.wait(pause):
                raise PluginError(f"the creation of {_what(inputs)} was interrupted; nothing was created")
            pause *= 2
        raise AssertionError

    def _is_going(self, error: ApiError, inputs: Props) -> bool:
        """Return whether a predecessor of the same name is still being deleted."""
        if error.reason != "AlreadyExists":
            return False
        try:
            found = self.cluster.get(kind_of(inputs), namespace_of(inputs), str(metadata(inputs)["name"]))
        except ApiError as missing:
            return missing.missing
        return "deletionTimestamp" in metadata(found)

    def _create_once(self, request: Request, inputs: Props, manager: str) -> Props:
        if self.settings.upsert:
            live, warnings = self.cluster.apply(inputs, manager, force=self._forced(inputs))
        else:
            live, warnings = self.cluster.create(inputs)
        _warn(request, warnings)
        return live

    def update(self, request: Request, inputs: Props, name: str, manager: str) -> Props:
        """Change an object in place, or rehearse it at preview."""
        kind = kind_of(inputs)
        try:
            live = self.cluster.get(kind, namespace_of(inputs), name)
        except NoKindError:
            raise
        except ApiError as error:
            if error.missing and not request.preview:
                raise PluginError(f"{_what(inputs)} is gone from the cluster; run `pulumi refresh`") from None
            raise
        wanted = {**inputs, "metadata": {**metadata(inputs), "name": name}}
        try:
            if kind.kind == "CustomResourceDefinition":
                return self._replace(request, wanted, live, manager)
            return self._apply(request, wanted, live, manager)
        except ApiError as error:
            raise self._explained(error, inputs) from None

    def _replace(self, request: Request, wanted: Props, live: Props, manager: str) -> Props:
        # A definition is put whole, so that versions that are no longer named go away.
        current = {**metadata(wanted), "resourceVersion": metadata(live).get("resourceVersion")}
        return self.cluster.replace({**wanted, "metadata": current}, manager, dry_run=request.preview)[0]

    def _apply(self, request: Request, wanted: Props, live: Props, manager: str) -> Props:
        wanted = respect_ignored(wanted, live, manager, request.ignore_changes)
        if request.preview and created_here(live):
            # The real update first takes over the fields that the creation owns; a rehearsal cannot,
            # and would merge old items of lists with new ones.
            changed, warnings = self.cluster.replace(_laid_over(live, wanted), manager, dry_run=True)
        else:
            if not request.preview:
                self._take_over(live, manager)
            force = self._forced(wanted)
            changed, warnings = self.cluster.apply(wanted, manager, force=force, dry_run=request.preview)
        _warn(request, warnings)
        return changed

    def _take_over(self, live: Props, manager: str) -> None:
        for _ in range(_TRIES):
            operations = taken_over(live, manager)
            if operations is None:
                return
            with contextlib.suppress(ApiError):
                self.cluster.patch(live, operations)
                return
            # Somebody changed the object meanwhile: read it again.
            live = self.cluster.get(kind_of(live), namespace_of(live), str(metadata(live)["name"]))

    def _forced(self, inputs: Props) -> bool:
        return self.settings.patch_force or is_true(inputs, PATCH_FORCE)

    def _explained(self, error: ApiError, inputs: Props) -> PluginError:
        what = _what(inputs)
        if error.reason == "AlreadyExists":
            hint = "import it, delete it, or set the provider's upsertExistingObjects"
            return PluginError(f"{what} already exists and is not in this stack; {hint}")
        if error.reason == "Conflict" and error.causes:
            hint = f"give the field up there, or set the annotation {PATCH_FORCE}: true"
            return PluginError(f"another manager owns fields of {what} ({'; '.join(error.causes)}); {hint}")
        if isinstance(error, NoKindError):
            return error
        return ApiError(error.status, error.reason, f"the API server refused {what}: {error}", error.causes)


def _laid_over(live: Props, wanted: Props) -> Props:
    """Return an object with other values, and whole lists, for those that are wanted."""
    both = {
        key: _laid_over(live[key], wanted[key])
        for key in live.keys() & wanted.keys()
        if isinstance(live[key], dict) and isinstance(wanted[key], dict)
    }
    return {**live, **wanted, **both}


def _what(inputs: Props) -> str:
    return f"{kind_of(inputs).kind} {id_of(inputs)}"


def _warn(request: Request, warnings: list[str]) -> None:
    for text in warnings:
        request.log.warn(text)

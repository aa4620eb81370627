"""Releases in MLflow's model registry: a version for each, ``champion`` for what serves, ``challenger`` for the newest.

The registry points, it does not serve: what is served is the release of the digest. The first release becomes
champion, each later one challenger, and ``--promote`` makes a release champion, an older one too: that is the rollback.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from model.artifact import files
from model.io import storage
from model.release.publish import Released
from model.tracking.record import MODEL, record_evaluation, release_files
from model.tracking.store import store
from model.training.run import read_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
_PAPERS = (files.CARD_FILE, files.LIST_FILE, files.SIGNATURE_FILE)


def record_release(folder: Path, released: Released, *, promote: bool = False) -> str:
    """Register a release with its run, and return its version in the registry; one that is there is not made again.

    Parameters
    ----------
    folder : Path
        The run's folder.
    released : Released
        The release made of it.
    promote : bool
        Make it the champion, whatever is champion now.
    """
    run_id = record_evaluation(folder)
    name = f"{MODEL}-{'-'.join(read_run(folder).hospitals)}"
    with store(folder) as client:
        version = _version(client, name, run_id, released)
        # A file gives versions as numbers, a server as text.
        aliases = {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}
        if promote or CHAMPION not in aliases:
            client.set_registered_model_alias(name, CHAMPION, version)
            if aliases.get(CHALLENGER) == version:
                client.delete_registered_model_alias(name, CHALLENGER)
        elif aliases[CHAMPION] != version:
            client.set_registered_model_alias(name, CHALLENGER, version)
    return version


def _version(client: "MlflowClient", name: str, run_id: str, released: Released) -> str:
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        client.create_registered_model(name)
    versions = client.search_model_versions(f"name = '{name}' and tags.digest = '{released.digest}'")
    if versions:
        return str(versions[0].version)
    papers = {paper: storage.read_if_any(storage.join(released.place, paper)) for paper in _PAPERS}
    release_files(client, run_id, {paper: content for paper, content in papers.items() if content is not None})
    tags = {
        "digest": released.digest,
        "release": released.release,
        "place": released.place,
        "profile": released.profile,
        "approved_by_role": (released.approved_by or "").partition(":")[0] or "nobody",
    }
    source = f"{client.get_run(run_id).info.artifact_uri}/release"
    version = client.create_model_version(name, source=source, run_id=run_id, tags=tags)
    return str(version.version)

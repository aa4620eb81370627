"""Planning of a hospital: scores of encounters by pseudonym, from the release that it was assigned."""

import pulumi

from infra.settings import Hospital, Release, ReleaseRole
from workloads.blocks.deployment import Service, deployment, probes
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import Container
from workloads.blocks.release_metadata import release_key
from workloads.blocks.start_record import deployed_by, policies
from workloads.pipeline.features import FEATURE_TABLE
from workloads.serving.inference_service import model_name, model_url
from workloads.zones.workload_table import METRICS_PORT, PLANNING, row

# The names of services/planning.
_ROLES = {
    ReleaseRole.ACTIVE: "active",
    ReleaseRole.CANARY: "canary",
    ReleaseRole.SHADOW: "shadow",
    ReleaseRole.PREVIOUS: "previous",
}


def planning(context: HospitalContext, parent: pulumi.Resource) -> None:
    """Declare the Deployment of planning; without a release it ranks by LACE."""
    container = Container(
        name=PLANNING,
        image=context.cluster.images.workloads,
        resources=row(PLANNING).own_size(),
        args=["-m", "services.planning", "serve"],
        env=_environment(context),
        probes=probes(PLANNING),
    )
    deployment(context, Service(PLANNING, container), parent)


def _environment(context: HospitalContext) -> dict[str, pulumi.Input[str]]:
    return {
        "HOSPITAL": context.hospital.name,
        "RELEASES": pulumi.Output.json_dumps(assigned(context)),
        "ONLINE_FEATURES": context.s3_url("features", FEATURE_TABLE),
        "HMLOPS_TRUSTED_KEYS": context.release_keys,
        "METRICS_PORT": str(row(PLANNING).ports[METRICS_PORT]),
        **deployed_by(context.settings),
        # One service records them, so that a changed table is one change and restarts one service.
        **policies(),
    }


def assigned(context: HospitalContext) -> dict[str, object]:
    """Return a hospital's releases by role and by further model, as ``services/planning/settings.py`` reads them."""
    hospital = context.hospital
    by_role: dict[str, object] = {
        _ROLES[role]: {**_release(context, release), **_share(hospital, role)}
        for role, release in hospital.roles.items()
    }
    models = {model.name: _release(context, model.release) for model in hospital.models}
    return by_role | ({"models": models} if models else {})


def _release(context: HospitalContext, release: Release) -> dict[str, object]:
    return {
        "release": str(release),
        "model": model_name(release.version),
        "url": model_url(context.hospital.name, release),
        "files": context.s3_url("releases", release_key(release)),
    }


def _share(hospital: Hospital, role: ReleaseRole) -> dict[str, object]:
    """Return how many encounters a release gets; with ``cohort`` only those for which care says that they are asked."""
    match role:
        case ReleaseRole.CANARY if hospital.canary:
            return {"percent": hospital.canary.percent, "cohort": bool(hospital.canary.units)}
        case ReleaseRole.SHADOW if hospital.shadow:
            return {"percent": hospital.shadow.percent}
        case _:
            return {}

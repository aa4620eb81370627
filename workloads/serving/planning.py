"""Planning of a hospital: scores of encounters by pseudonym, from the release that it was assigned."""

import pulumi

from workloads.blocks.deployment import Service, deployment, probes, service_url
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import Container
from workloads.blocks.release_metadata import release_key
from workloads.blocks.start_record import deployed_by, policies
from workloads.pipeline.features import FEATURE_TABLE
from workloads.serving.inference_service import model_name
from workloads.zones.workload_table import MODEL_SERVER, PLANNING, row


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
    hospital, release = context.hospital, context.hospital.release
    values: dict[str, pulumi.Input[str]] = {
        "HOSPITAL": hospital.name,
        "ONLINE_FEATURES": context.s3_url("features", FEATURE_TABLE),
        "HMLOPS_TRUSTED_KEYS": context.release_keys,
        **deployed_by(context.settings),
        # One service records them, so that a changed table is one change and restarts one service.
        **policies(),
    }
    if release is None:
        return values
    active = {
        "release": str(release),
        "model": model_name(release.version),
        "url": service_url(hospital.name, MODEL_SERVER),
        "files": context.s3_url("releases", release_key(release)),
    }
    return {**values, "RELEASES": pulumi.Output.json_dumps({"active": active})}

"""Production's settings of gateways and of a hospital with an EHR and programs, and its routes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

from infra.settings import Gateway, Hospital
from tests.support.gateway.gateway_callers import EHR, EHR_ISSUER, PROGRAM, RESEARCH, public_members
from tests.support.stack.mocked_stack import settings
from workloads.serving.gateway_routes import HospitalRoutes, hospital_routes
from workloads.serving.routes import table
from workloads.zones import workload_table
from workloads.zones.workload_table import RECORDER, Workload

HOSPITAL = "north"
MODEL = "boosted"
"""A further model, which the research program alone may ask."""
RECORDER_ACCOUNT = "gateway-recorder"


def gateway_settings(folder: Path, ehr_key: ECKey) -> tuple[Gateway, Hospital]:
    """Return production's settings of gateways and of its first hospital, with an EHR."""

    def change(written: dict[str, Any]) -> None:
        written["hospitals"][0] |= {
            "applications": [PROGRAM],
            "ehr": {"application": EHR, "issuer": EHR_ISSUER, "keys": [public_members(ehr_key)]},
            "release": "v1@000000000000",
            "models": [{"name": MODEL, "release": "v2@000000000000", "applications": [RESEARCH]}],
        }

    found = settings("prod", folder, change)
    if found.gateway is None:
        raise AssertionError("production has a gateway")
    return found.gateway, found.hospitals[0]


def workloads(*, recorder: bool = False) -> dict[str, Workload]:
    """Return the workloads of the table, with the services behind the gateway."""
    rows = dict(workload_table.table().workloads)
    for name, zone in (("care", "phi"), ("planning", "serving")):
        rows[name] = replace(rows["planning"], zone=zone, service_account=f"stand-in-{name}", ports={"https": 8443})
    if not recorder:
        del rows[RECORDER]
    return rows


def routes(gateway: Gateway, hospital: Hospital, *, recorder: bool = False) -> HospitalRoutes:
    """Return the hospital's routes to these workloads."""
    rows = workloads(recorder=recorder)
    served = table().served(rows, "readmission-risk", hospital.release, hospital.models)
    return hospital_routes(gateway, hospital, served, rows)

"""What a stack's file may say, and the sentence for what it may not."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import pulumi
import pytest

from infra.settings import Amount, ClusterKind, DataClass, Release, ReleaseRole, SettingsError
from infra.settings.files.load import load, settings_from
from infra.settings.tiers import table, tier
from tests.support.stack.mocked_stack import DIGEST, LOCK, configuration, settings, without_gateway

Change = Callable[[dict[str, Any]], None]
V1, V2 = "v1@0123456789ab", "v2@ba9876543210"


def entry(**given: object) -> Change:
    """Return a change of the first hospital's entry."""

    def change(written: dict[str, Any]) -> None:
        written["hospitals"][0].update(given)

    return change


def top(**given: object) -> Change:
    """Return a change at the top of the configuration."""

    def change(written: dict[str, Any]) -> None:
        written.update(given)

    return change


def without(*names: str) -> Change:
    """Return a change that takes a key away."""

    def change(written: dict[str, Any]) -> None:
        inner: Any = written
        for name in names[:-1]:
            inner = inner[int(name)] if isinstance(inner, list) else inner[name]
        del inner[names[-1]]

    return change


def second(**given: object) -> Change:
    """Return a change of the second hospital's entry."""

    def change(written: dict[str, Any]) -> None:
        written["hospitals"][1].update(given)

    return change


def both(*changes: Change) -> Change:
    """Return several changes as one."""

    def change(written: dict[str, Any]) -> None:
        for one in changes:
            one(written)

    return change


def test_dev_stack_has_two_hospitals_and_keeps_nothing_for_ever(tmp_path: Path) -> None:
    chosen = settings("dev", tmp_path)
    assert [hospital.name for hospital in chosen.hospitals] == ["north", "south"]
    assert chosen.cluster is ClusterKind.LOCAL
    assert not chosen.tier.protect_data
    assert chosen.endpoints.vault.network == "172.31.250.1/32"
    assert chosen.hospitals[0].retention.curated_days == 6 * 365


def test_prod_stack_has_the_sizes_of_production(tmp_path: Path) -> None:
    chosen = settings("prod", tmp_path)
    assert chosen.cluster is ClusterKind.EKS
    assert chosen.tier.protect_data
    server = chosen.model_server(chosen.hospitals[0])
    assert (server.requests, server.limits) == (Amount.of(500, 1024), Amount.of(1000, 2048))


def test_a_hospital_needs_no_more_than_a_name_and_its_records(tmp_path: Path) -> None:
    def add(written: dict[str, Any]) -> None:
        written["hospitals"].append({"name": "east", "fhir": {"path": "bundles"}})

    east = settings("dev", tmp_path, both(without_gateway, add)).hospitals[-1]
    assert (east.name, east.release, east.retention.raw_days, east.replicas.min) == ("east", None, 30, 1)


def test_releases_of_a_hospital_are_known_by_what_they_do(tmp_path: Path) -> None:
    canary = {"release": V2, "percent": 50, "units": ["surgery"]}
    chosen = settings("dev", tmp_path, entry(release=V1, canary=canary, previous="v3@0123456789ab"))
    north, south = chosen.hospitals
    assert north.roles == {
        ReleaseRole.ACTIVE: Release.read(V1),
        ReleaseRole.CANARY: Release.read(V2),
        ReleaseRole.PREVIOUS: Release("v3", "0123456789ab"),
    }
    assert south.roles == {}


def boosted(**changed: Any) -> dict[str, Any]:
    return {"name": "readmission-boosted", "release": V2, "applications": ["north-research"]} | changed


def test_a_further_model_has_a_release_and_applications_of_its_own(tmp_path: Path) -> None:
    north, south = settings("dev", tmp_path, entry(release=V1, models=[boosted()])).hospitals
    assert (north.releases, south.releases) == ((Release.read(V1), Release.read(V2)), ())
    assert "north-research" not in north.applications
    assert north.client_certificates == (*north.applications, "north-research")


def test_a_release_is_a_version_and_a_digest(tmp_path: Path) -> None:
    chosen = settings("dev", tmp_path, entry(release="v1@0123456789ab"))
    assert chosen.hospitals[0].release == Release("v1", "0123456789ab")
    assert str(chosen.hospitals[0].release) == "v1@0123456789ab"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (top(hospital=[]), "unknown setting hospital; check the spelling or remove it."),
        (entry(colour="red"), "unknown setting hospitals[0].colour"),
        (without("alarms"), "alarms is missing; add it"),
        (without("hospitals", "0", "fhir"), "hospitals[0].fhir is missing"),
        (second(name="north"), "hospitals names north 2 times; keep one entry a hospital."),
        (entry(name="North"), "hospitals[0].name 'North' cannot be used here; write lower-case letters"),
        (entry(name="a" * 25), "at most 24 characters."),
        (entry(name="north--east"), "single hyphens"),
        (entry(name="north-"), "cannot be used here"),
        (entry(name=7), "hospitals[0].name 7 is not text; write lower-case letters"),
        (top(environment="dev-a"), "environment 'dev-a' cannot be used here; write lower-case letters and digits"),
        (top(cluster="gke"), "cluster 'gke' is not a kind of cluster; write local, kind or eks."),
        (top(region="moon"), "region 'moon' is not an AWS region; write a region such as"),
        (entry(release="v1"), "hospitals[0].release 'v1' cannot be used here; write version@digest"),
        (entry(release="v1@XYZ"), "write version@digest as the release step printed it"),
        (entry(canary={"release": V2, "percent": 10}), "hospitals[0] has canary but no release; add release, which"),
        (entry(shadow={"release": V2}, previous="v3@0123456789ab"), "has shadow and previous but no release"),
        (entry(release=V1, canary={"release": V1, "percent": 10}), "names v1 as release and as canary; a version is"),
        (entry(release=V1, previous="v1@ba9876543210"), "names v1 as release and as previous"),
        (entry(release=V1, canary={"release": V2, "percent": 1}, shadow={"release": V2}), "as canary and as shadow"),
        (entry(release=V1, canary={"percent": 10}), "hospitals[0].canary.release is missing; add it"),
        (entry(release=V1, canary={"release": V2}), "hospitals[0].canary.percent is missing; add it"),
        (entry(release=V1, canary={"release": V2, "percent": 0}), "hospitals[0].canary.percent must be at least 1."),
        (entry(release=V1, canary={"release": V2, "percent": 51}), "canary.percent must be at most 50."),
        (entry(release=V1, canary={"release": V2, "percent": 2.5}), "hospitals[0].canary.percent must be a whole"),
        (entry(release=V1, canary=V2), "hospitals[0].canary must be a map of settings"),
        (entry(release=V1, canary={"release": "v2", "percent": 5}), "canary.release 'v2' cannot be used here; write"),
        (entry(models=[boosted()]), "hospitals[0] has models but no release; add release"),
        (entry(release=V2, models=[boosted()]), "names v2 as release and as the model readmission-boosted; a version"),
        (entry(release=V1, previous=V2, models=[boosted()]), "names v2 as previous and as the model readmission-boost"),
        (
            entry(release=V1, models=[boosted(), boosted(name="other")]),
            "names v2 as the model readmission-boosted and as the model other",
        ),
        (
            entry(release=V1, models=[boosted(), boosted(release="v3@0123456789ab")]),
            "hospitals[0] names the model readmission-boosted more than once; choose another name.",
        ),
        (
            entry(release=V1, models=[boosted(name="readmission-risk")]),
            "names the model readmission-risk, and releases",
        ),
        (entry(release=V1, models=[boosted(name="readmission-risk-v2")]), "of the first model are named readmission-r"),
        (entry(release=V1, models=[boosted(name="Boosted")]), "hospitals[0].models[0].name 'Boosted' cannot be used"),
        (entry(release=V1, models=[boosted(name="b" * 33)]), "at most 32 characters"),
        (
            entry(release=V1, models=[boosted(release="v2")]),
            "models[0].release 'v2' cannot be used here; write version",
        ),
        (entry(release=V1, models=[boosted(applications=[])]), "models[0].applications must have at least 1 item"),
        (entry(release=V1, models=[boosted(applications=["a", "a"])]), "names the application a more than once"),
        (entry(release=V1, models=[boosted(percent=10)]), "unknown setting hospitals[0].models[0].percent"),
        (
            both(entry(release=V1, models=[boosted()]), without_gateway),
            "hospital north has models, which are asked through a gateway; add gateway, or remove them.",
        ),
        (entry(release=V1, shadow={"release": V2, "percent": 101}), "shadow.percent must be at most 100."),
        (entry(release=V1, shadow={"release": V2, "units": ["surgery"]}), "unknown setting hospitals[0].shadow.units"),
        (
            entry(release=V1, canary={"release": V2, "percent": 10, "units": ["surgery", "icu"]}),
            "hospitals[0] names the unit icu in canary.units, which is none of its units; correct it, or add it",
        ),
        (entry(retention={"raw": "soon"}), "hospitals[0].retention.raw 'soon' is not a retention; write days or years"),
        (entry(retention={"raw": "0d"}), "is not a retention"),
        (entry(retention={"curated": "51y"}), "at most 50y"),
        (
            entry(timeZone="Mars/Olympus"),
            "hospitals[0].timeZone 'Mars/Olympus' is not a time zone; write a name such as",
        ),
        (entry(network="10.50.0.0/99"), "hospitals[0].network '10.50.0.0/99' is not an IPv4 network"),
        (
            both(entry(network="10.50.0.0/16"), second(network="10.50.7.0/24")),
            "the network of hospital north (10.50.0.0/16) overlaps the network of hospital south (10.50.7.0/24)",
        ),
        (entry(network="10.245.1.0/24"), "networks.pods (10.245.0.0/16) overlaps the network of hospital north"),
        (
            top(networks={"pods": "10.1.0.0/16", "services": "10.1.2.0/24"}),
            "networks.services (10.1.2.0/24) overlaps networks.pods (10.1.0.0/16); give them separate ranges.",
        ),
        (entry(fhir={}), "hospitals[0].fhir needs one of url (a FHIR server) and path (a folder of bundles)"),
        (entry(fhir={"path": "x", "client": "y"}), "hospitals[0].fhir has auth, client or writeBack, which only a url"),
        (entry(fhir={"url": "http://x.example"}), "is not a plain https address"),
        (entry(fhir={"url": "https://x.example/r4"}), "hospitals[0].fhir has a url without auth; add how the pipeline"),
        (
            entry(fhir={"url": "https://x.example/r4", "auth": "client-secret"}),
            "has auth client-secret; give client only with smart-backend-services and client-secret",
        ),
        (
            entry(fhir={"url": "https://x.example/r4", "auth": "none", "client": "x"}),
            "has auth none; give client only with smart-backend-services and client-secret",
        ),
        (
            both(without("hospitals", "0", "network"), entry(fhir={"url": "https://x.example/r4", "auth": "none"})),
            "hospital north has a fhir.url but no network; add network",
        ),
        (entry(replicas={"min": 3, "max": 2}), "hospitals[0].replicas has min 3 above max 2; swap them."),
        (entry(contact={"security": "nobody", "baa": "B"}), "write an e-mail address"),
        (
            entry(resources={"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "500m", "memory": "1Gi"}}),
            "hospitals[0].resources requests 1 CPU but is limited to 500m; raise the limit.",
        ),
        (
            entry(resources={"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}),
            "requests 2Gi but is limited to 1Gi",
        ),
        (
            entry(resources={"requests": {"cpu": "one", "memory": "1G"}, "limits": {"cpu": "1", "memory": "1Gi"}}),
            "write cores or thousandths of a core",
        ),
        (without("endpoints", "aws"), "endpoints.aws is missing, which cluster local needs; add it, as docs/"),
        (
            top(endpoints={"vault": {"url": "https://vault.example"}}),
            "endpoints.vault has no network for the host vault.example; add network, the range that it answers from.",
        ),
        (top(cluster="eks"), "endpoints.kubernetes is not a setting of cluster eks; remove it."),
        (top(cluster="eks"), "networks.vpc is missing, which cluster eks needs; add it, as docs/"),
        (
            both(top(tier="production"), without("hospitals", "0", "contact")),
            "hospital north has no contact",
        ),
        (
            top(tier="production"),
            "operators names 1, but in tier production only workloads may read data; remove it",
        ),
        (top(tier="production"), "hospital north has replicas.min 1; tier production needs 2"),
        (top(tier="test"), "tier must be 'development' or 'production'."),
        (top(region="us-east-9"), "region 'us-east-9' is not an AWS region; write a region such as us-east-1."),
        (top(secondRegion="us-east-1"), "secondRegion is us-east-1 like region; name another one"),
        (top(account="1234"), "account '1234' cannot be used here; write the twelve digits of an AWS account"),
        (top(operators=["jane"]), "operators[0] 'jane' cannot be used here; write the ARN of an IAM role or user"),
        (
            entry(keys={"raw": "alias/hmlops-dev-south-raw"}),
            "north names the key alias/hmlops-dev-south-raw for raw, which is a key of hospital south; choose",
        ),
        (
            both(entry(keys={"raw": "alias/ours"}), second(keys={"audit": "alias/ours"})),
            "hospital south names the key alias/ours for audit, which is a key of hospital north; choose",
        ),
        (entry(keys={"raw": "alias/aws/s3"}), "write the alias of the hospital's KMS key"),
        (top(endpoints="nowhere"), "endpoints must be a map of settings; see docs/settings.md."),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(tmp_path: Path, change: Change, says: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        settings("dev", tmp_path, change)
    sentences = str(refusal.value).splitlines()
    assert any(says in sentence for sentence in sentences), sentences
    assert all(sentence.startswith("Pulumi.dev.yaml: ") and sentence.endswith(".") for sentence in sentences)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        settings("dev", tmp_path, both(entry(name="NORTH"), second(release="new"), top(region="moon")))
    assert len(str(refusal.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "The image lock file build/images.json does not exist; run `make images` to build the images."),
        ("{", "The image lock file build/images.json cannot be read"),
        (
            json.dumps({**LOCK, "workloads": "workloads:latest"}),
            "build/images.json: workloads 'workloads:latest'",
        ),
        (json.dumps({"workloads": LOCK["workloads"]}), "build/images.json: modelServer is missing"),
        (json.dumps([]), "build/images.json: the configuration must be a map"),
    ],
)
def test_images_are_named_by_digest_in_the_lock_file(tmp_path: Path, content: str | None, says: str) -> None:
    if content is not None:
        (tmp_path / "build").mkdir()
        (tmp_path / "build" / "images.json").write_text(content)
    with pytest.raises(SettingsError) as refusal:
        settings_from(configuration("dev"), where="Pulumi.dev.yaml", root=tmp_path)
    assert says in str(refusal.value)


def test_the_lock_file_may_name_more_images(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "images.json").write_text(json.dumps({**LOCK, "pause": f"pause@{DIGEST}"}))
    chosen = settings_from(configuration("dev"), where="Pulumi.dev.yaml", root=tmp_path)
    assert chosen.images.workloads == LOCK["workloads"]


@pytest.fixture
def engine(tmp_path: Path) -> Callable[[dict[str, Any]], None]:
    """Hand values to the program as the engine does: as text, under the project's name."""

    def give(values: dict[str, Any]) -> None:
        text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
        given = {f"healthcare-mlops:{key}": value for key, value in text.items()}
        pulumi.runtime.set_mocks(_NoCalls(), project="healthcare-mlops", stack="dev")
        pulumi.runtime.set_all_config({**given, "aws:region": "us-east-1"})

    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "images.json").write_text(json.dumps(LOCK))
    return give


class _NoCalls(pulumi.runtime.Mocks):
    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        raise AssertionError(f"{args.name} is declared before the settings are known")

    def call(self, args: pulumi.runtime.MockCallArgs) -> NoReturn:
        raise AssertionError(f"{args.token} is called before the settings are known")


def test_the_engine_s_values_give_the_same_settings(engine: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    engine(configuration("dev"))
    assert load(tmp_path) == settings("dev", tmp_path)


def test_an_unknown_key_of_the_project_is_refused(engine: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    engine({**configuration("dev"), "hopsitals": []})
    with pytest.raises(SettingsError, match=r"^Pulumi.dev.yaml: unknown setting hopsitals"):
        load(tmp_path)


def test_a_fault_is_shown_without_a_stack_trace() -> None:
    assert issubclass(SettingsError, pulumi.RunError)


def test_tiers_differ_in_these_fields_and_in_no_other() -> None:
    development, production = asdict(tier("development")), asdict(tier("production"))
    assert {field: (development[field], production[field]) for field in development} == {
        "name": ("development", "production"),
        "protect_data": (False, True),
        "gates_profile": ("demonstration", "clinical"),
        "key_deletion_days": (7, 30),
        "lock_records": (False, True),
        "replicate": (False, True),
        "require_contact": (False, True),
        "operators_read_data": (True, False),
        "least_servers": (1, 2),
    }
    assert all(row.keys() == {"why", "development", "production"} for row in table().values())


def test_a_hospital_may_name_its_own_keys(tmp_path: Path) -> None:
    chosen = settings("dev", tmp_path, entry(keys={"raw": "alias/north-raw"}))
    assert chosen.hospitals[0].keys == {DataClass.RAW: "alias/north-raw"}


def test_quantities_are_written_as_the_server_keeps_them() -> None:
    assert Amount.of(1500, 1536).quantities == {"cpu": "1500m", "memory": "1536Mi"}
    assert Amount.of(2000, 2048).quantities == {"cpu": "2", "memory": "2Gi"}
    assert Amount.of(0, 0).quantities == {"cpu": "0", "memory": "0Gi"}

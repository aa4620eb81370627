"""The engine's overlay of a stack's file: what it may say, whose value counts, and the sentence for what it may not."""

import json
from pathlib import Path
from typing import Any, NoReturn

import pulumi
import pytest
import yaml

from infra.settings import Hospital, Release, SettingsError
from infra.settings.files.layers import HOSPITALS, OVERLAY, Layers, layers
from infra.settings.files.load import load, settings_of
from policy_pack.stack import external_endpoints, stack_config
from tests.support.repository import REPOSITORY
from tests.support.stack.mocked_stack import LOCK, configuration

PROJECT = "healthcare-mlops"
RELEASE = "v1@0123456789ab"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project's folder with dev's own file and a lock of its images."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "images.json").write_text(json.dumps(LOCK))
    (tmp_path / "Pulumi.dev.yaml").write_text((REPOSITORY / "Pulumi.dev.yaml").read_text())
    return tmp_path


def read(root: Path, engine: dict[str, Any]) -> Layers:
    return layers(root, stack="dev", project=PROJECT, engine=engine)


def refused(root: Path, engine: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        settings_of(read(root, engine), root=root)
    return str(refusal.value).splitlines()


def test_an_overlay_names_what_a_hospital_serves(root: Path) -> None:
    chosen = settings_of(read(root, {HOSPITALS: {"south": {"release": RELEASE}}}), root=root)
    assert [hospital.release for hospital in chosen.hospitals] == [None, Release("v1", "0123456789ab")]


@pytest.mark.parametrize("engine", [{}, {HOSPITALS: {}}, {HOSPITALS: {"north": {}}}])
def test_an_overlay_may_say_nothing(root: Path, engine: dict[str, Any]) -> None:
    assert read(root, engine).values == configuration("dev")


def test_its_value_goes_before_the_file_s(root: Path) -> None:
    fhir = {"url": "https://ehr.example/r4", "auth": "none"}
    engine = {"alarms": "here@hospitals.example", HOSPITALS: {"north": {"fhir": fhir, "network": "10.50.0.0/24"}}}
    chosen = settings_of(read(root, engine), root=root)
    assert (chosen.alarms, chosen.hospitals[0].fhir.url) == ("here@hospitals.example", fhir["url"])
    assert chosen.hospitals[0].contact is not None


def test_a_list_of_hospitals_takes_the_place_of_the_file_s(root: Path) -> None:
    east = {"name": "east", "fhir": {"path": "bundles"}, "network": "10.52.0.0/24", "applications": ["east-program"]}
    chosen = settings_of(read(root, {HOSPITALS: [east]}), root=root)
    assert [hospital.name for hospital in chosen.hospitals] == ["east"]


def test_a_stack_without_a_file_has_all_from_the_engine(root: Path) -> None:
    written = layers(root, stack="bench", project=PROJECT, engine=configuration("dev"))
    assert settings_of(written, root=root) == settings_of(read(root, {}), root=root)
    assert written.place(("region",)) == "Pulumi.bench.yaml: region"


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        ({HOSPITALS: {"east": {"release": RELEASE}}}, "hospitals.east is not a hospital of Pulumi.dev.yaml; check the"),
        ({HOSPITALS: {"North": {}}}, "hospitals.North is not a hospital of Pulumi.dev.yaml"),
        ({HOSPITALS: {"": {}}}, "hospitals. is not a hospital"),
        (
            {HOSPITALS: {"north": {"relase": RELEASE}}},
            "unknown setting hospitals.north.relase; check the spelling or remove it.",
        ),
        ({HOSPITALS: {"north": {"name": "south"}}}, "hospitals.north.name cannot be changed here"),
        ({HOSPITALS: {"north": {"time_zone": "UTC"}}}, "unknown setting hospitals.north.time_zone;"),
        (
            {HOSPITALS: {"north": RELEASE}},
            "hospitals.north must be a map of settings, such as release: v1@3f9c2d4be071",
        ),
        ({HOSPITALS: {"north": None}}, "hospitals.north must be a map of settings"),
        ({HOSPITALS: {"north": ["release"]}}, "hospitals.north must be a map of settings"),
        ({HOSPITALS: {"north": {"release": "v1"}}}, "hospitals.north.release 'v1' cannot be used here; write version@"),
        ({HOSPITALS: {"north": {"release": 1}}}, "hospitals.north.release 1 is not text; write version@"),
        ({HOSPITALS: {"south": {"fhir": {}}}}, "hospitals.south.fhir needs one of url (a FHIR server) and path"),
        ({HOSPITALS: {"south": {"fhir": {"pfad": "x"}}}}, "unknown setting hospitals.south.fhir.pfad;"),
        ({"hopsitals": {}}, "unknown setting hopsitals;"),
        ({"region": "moon"}, "region 'moon' is not an AWS region"),
        ({HOSPITALS: "north"}, "hospitals must be a list; see docs/settings.md."),
    ],
)
def test_what_it_may_not_say_is_one_sentence_that_names_it(root: Path, engine: dict[str, Any], says: str) -> None:
    sentences = refused(root, engine)
    assert any(sentence.startswith(f"{OVERLAY}/Pulumi.dev.yaml: {says}") for sentence in sentences), sentences
    assert all(sentence.endswith(".") for sentence in sentences)


def test_a_fault_of_the_file_itself_names_the_file(root: Path) -> None:
    file = root / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("region: us-east-1", "region: moon"))
    assert refused(root, {HOSPITALS: {"north": {"release": RELEASE}}}) == [
        "Pulumi.dev.yaml: region 'moon' is not an AWS region; write a region such as us-east-1."
    ]


def test_further_models_are_named_in_one_place(root: Path) -> None:
    file, models = root / "Pulumi.dev.yaml", [{"name": "boosted", "release": RELEASE, "applications": ["research"]}]
    file.write_text(file.read_text().replace("- name: north\n", f"- name: north\n      models: {models}\n"))
    assert refused(root, {HOSPITALS: {"north": {"models": models}}}) == [
        "overlay/Pulumi.dev.yaml: hospitals.north.models is also in the entry of Pulumi.dev.yaml; "
        "remove one of the two."
    ]


def test_a_release_is_named_in_one_place(root: Path) -> None:
    file = root / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("- name: north\n", f"- name: north\n      release: {RELEASE}\n"))
    assert settings_of(read(root, {HOSPITALS: {"north": {}}}), root=root).hospitals[0].release is not None
    assert refused(root, {HOSPITALS: {"north": {"release": "v2@0123456789ab"}}}) == [
        "overlay/Pulumi.dev.yaml: hospitals.north.release is also in the entry of Pulumi.dev.yaml; "
        "remove one of the two."
    ]


def test_an_overlay_adds_a_canary_to_the_release_of_an_entry(root: Path) -> None:
    file = root / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("- name: north\n", f"- name: north\n      release: {RELEASE}\n"))
    canary = {"release": "v2@0123456789ab", "percent": 5}
    north = settings_of(read(root, {HOSPITALS: {"north": {"canary": canary}}}), root=root).hospitals[0]
    assert north.canary is not None
    assert (str(north.release), str(north.canary.release)) == (RELEASE, canary["release"])
    assert refused(root, {HOSPITALS: {"north": {"canary": {**canary, "percent": 0}}}}) == [
        "overlay/Pulumi.dev.yaml: hospitals.north.canary.percent must be at least 1."
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Pulumi.dev.yaml: config is missing"),
        ("config:\n", "Pulumi.dev.yaml: config is missing"),
        ("- config\n", "Pulumi.dev.yaml: config is missing"),
        ("config: [", "Pulumi.dev.yaml is not YAML in line 1"),
        ("config:\n  a: 1\n  a: 2\n", "Pulumi.dev.yaml is not YAML in line 2: duplicate key a; correct it."),
        ("config: !!python/object/apply:os.getcwd []\n", "Pulumi.dev.yaml is not YAML in line 1"),
        (b"config: \xff", "Pulumi.dev.yaml cannot be read"),
        (
            "encryptionsalt: v1:x\nconfig: {}\n",
            "Pulumi.dev.yaml: encryptionsalt belongs to the engine; move it to overlay/Pul",
        ),
        (
            "secretsprovider: awskms://k\nconfig: {}\n",
            "Pulumi.dev.yaml: secretsprovider belongs to the engine; move it",
        ),
        (
            "config: {aws:region: us-east-1}\n",
            "Pulumi.dev.yaml: config.aws:region does not begin with healthcare-mlops:",
        ),
        ("config: {1: x}\n", "Pulumi.dev.yaml: config.1 does not begin with healthcare-mlops:"),
        ("config: {healthcare-mlops:colour: red}\n", "Pulumi.dev.yaml: unknown setting colour;"),
        ("config: {healthcare-mlops:hospitals: {north: {}}}\n", "Pulumi.dev.yaml: hospitals must be a list"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(root: Path, text: str | bytes, says: str) -> None:
    (root / "Pulumi.dev.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    sentences = refused(root, {})
    assert any(sentence.startswith(says) for sentence in sentences), sentences


def test_entries_without_a_name_do_not_hide_the_others(root: Path) -> None:
    file = root / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("- name: south\n      fhir", "- fhir"))
    assert "Pulumi.dev.yaml: hospitals[1].name is missing" in refused(root, {HOSPITALS: {"north": {}}})[0]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("[north]", "is a list and not text"),
        ("{north: x}", "is a map and not text"),
        ("1", "1 is not text"),
        ("null", "null is not text"),
    ],
)
def test_an_entry_whose_name_is_no_text_is_refused(root: Path, name: str, fault: str) -> None:
    file = root / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("- name: south\n", f"- name: {name}\n"))
    assert refused(root, {HOSPITALS: {"north": {}}})[0].startswith(f"Pulumi.dev.yaml: hospitals[1].name {fault}; write")


def test_the_engine_hands_over_its_overlay_alone(root: Path) -> None:
    pulumi.runtime.set_mocks(_Nothing(), project=PROJECT, stack="dev")
    overlay = {"north": {"release": RELEASE}}
    pulumi.runtime.set_all_config({f"{PROJECT}:{HOSPITALS}": json.dumps(overlay), "aws:region": "us-east-1"})
    assert load(root).hospitals[0].release == Release("v1", "0123456789ab")


class _Nothing(pulumi.runtime.Mocks):
    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        raise AssertionError(args.name)

    def call(self, args: pulumi.runtime.MockCallArgs) -> NoReturn:
        raise AssertionError(args.token)


FIELDS = [*(field.alias or name for name, field in Hospital.model_fields.items()), "x", "a.b", ""]
VALUES: list[Any] = [
    None,
    True,
    -1,
    1.5,
    "",
    "x",
    "v1@",
    "\0",
    [],
    [[]],
    {},
    {"": {}},
    {"url": []},
    {"path": "x" * 300},
]


@pytest.mark.parametrize("field", FIELDS)
def test_whatever_it_says_of_a_field_is_taken_or_refused_in_sentences(root: Path, field: str) -> None:
    taken = []
    for value in VALUES:
        try:
            settings_of(read(root, {HOSPITALS: {"north": {field: value}}}), root=root)
        except SettingsError as refusal:
            said = str(refusal).splitlines()
            taken.append([line for line in said if not line.endswith(".") or "Pulumi.dev.yaml: " not in line])
    assert not any(taken)
    assert len(taken) > 5


# --- the policy pack reads the same two files, by itself ---------------------------------------------------------


def test_the_pack_reads_both_files(root: Path) -> None:
    fhir = {"url": "https://172.31.250.1:8444/fhir", "auth": "none"}
    engine = {HOSPITALS: {"north": {"fhir": fhir, "network": "172.31.250.1/32", "release": RELEASE}}}
    content = {"encryptionsalt": "v1:x", "config": {f"{PROJECT}:{key}": value for key, value in engine.items()}}
    (root / OVERLAY).mkdir()
    (root / OVERLAY / "Pulumi.dev.yaml").write_text(yaml.safe_dump(content))
    assert stack_config.of_file(root / "Pulumi.dev.yaml") == read(root, engine).values
    alone = external_endpoints.read(configuration("dev"))
    both = external_endpoints.read_file(root / "Pulumi.dev.yaml")
    assert ("north", "fhir") in alone.unused
    assert both.of("north", "fhir") == external_endpoints.Endpoint("172.31.250.1/32", 8444)
    assert both.of("north", "vault") == alone.of("north", "vault")


def test_the_pack_knows_the_file_behind_what_the_engine_tells(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setattr(stack_config, "PROJECT", root)
    told = {f"{PROJECT}:{HOSPITALS}": json.dumps({"north": {"release": RELEASE}})}
    assert stack_config.of_engine("dev", told) == read(root, {HOSPITALS: {"north": {"release": RELEASE}}}).values
    assert stack_config.of_engine("other", {f"{PROJECT}:region": "us-east-1"}) == {"region": "us-east-1"}


def test_both_name_the_same_folder() -> None:
    project = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
    assert project["stackConfigDir"] == OVERLAY == stack_config.OVERLAY

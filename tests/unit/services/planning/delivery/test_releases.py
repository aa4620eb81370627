"""The variable RELEASES: every field that it allows, set wrong, and roles that do not fit together."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from services.planning.delivery.releases import Releases, ReleasesVariable, Role

ADAPTER: TypeAdapter[Releases] = TypeAdapter(ReleasesVariable)


def release(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "release": f"v{number}@{number:012x}",
        "model": f"readmission-risk-v{number}",
        "url": f"https://model-server-v{number}.north-serving.svc.cluster.local",
        "files": f"s3://models/readmission/v{number}/{number:012x}",
    } | fields


def parse(**roles: Any) -> Releases:
    return ADAPTER.validate_python(json.dumps(roles))


def test_all_roles() -> None:
    releases = parse(
        active=release(1),
        canary=release(2, percent=10, cohort=True),
        shadow=release(3, percent=100),
        previous=release(4),
    )
    assert [role for role, _ in releases.by_role()] == [Role.ACTIVE, Role.CANARY, Role.SHADOW, Role.PREVIOUS]
    assert releases.canary is not None
    assert (releases.canary.percent, releases.canary.cohort, releases.canary.digest) == (10, True, f"{2:012x}")
    assert releases.canary.inference_url.endswith(".cluster.local/v2/models/readmission-risk-v2/infer")
    assert parse() == Releases()


def test_further_models_have_releases_of_their_own() -> None:
    releases = parse(active=release(1), models={"boosted": release(2)})
    assert [role for role, _ in releases.by_role()] == [Role.ACTIVE]
    assert [one.release for one in releases.all()] == [f"v1@{1:012x}", f"v2@{2:012x}"]


@pytest.mark.parametrize(
    ("name", "number", "says"),
    [
        ("boosted", 1, "a release has one role, or is a further model's"),
        ("readmission-risk", 2, "the name of a further model does not begin with readmission-risk"),
        ("readmission-risk-v2", 2, "the name of a further model does not begin with readmission-risk"),
        ("Boosted", 2, "models"),
        ("a/b", 2, "models"),
    ],
)
def test_a_further_model_that_does_not_fit_is_refused(name: str, number: int, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        parse(active=release(1), models={name: release(number)})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("release", "v2"),
        ("release", "v2@0123"),
        ("release", "v2@0123456789AB"),
        ("release", 2),
        ("model", ""),
        ("model", "a/b"),
        ("url", "model:8443"),
        ("url", "https://model /"),
        ("files", ""),
        ("percent", 0),
        ("percent", 51),
        ("percent", 2.5),
        ("percent", "10"),
        ("percent", True),
        ("percent", None),
        ("cohort", "yes"),
        ("cohort", 1),
        ("units", ["cardiology"]),
    ],
)
def test_a_wrong_field_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        parse(active=release(1), canary=release(2, percent=10) | {field: value})


@pytest.mark.parametrize(
    "roles",
    [
        {"canary": release(2, percent=10)},
        {"shadow": release(2, percent=10)},
        {"active": release(1), "canary": release(1, percent=10)},
        {"active": release(1), "previous": release(1)},
        {"active": release(1), "shadow": release(2, percent=101)},
        {"active": release(1), "canary": release(2)},
        {"active": release(1, percent=10)},
        {"active": release(1), "newest": release(2)},
    ],
)
def test_roles_that_do_not_fit_are_refused(roles: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parse(**roles)


@pytest.mark.parametrize("text", ["{", "[]", "1", '"active"', '{"active": []}'])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(text)

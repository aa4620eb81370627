"""A score is the pipeline's own, its reasons add up, and no input passes that the contract does not allow."""

import functools
import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from model.artifact import files
from model.compiled.compiler import compiled
from model.compiled.document import dumped
from model.errors import UserError
from model.scoring import Contract, Scorer

Floats = npt.NDArray[np.float64]

NAMES = ("age", "female", "creatinine", "ward")
WARDS = ["medical", "surgical", "other"]
SCHEMA: dict[str, Any] = {
    "x-order": list(NAMES),
    "properties": {
        "age": {
            "description": "age",
            "x-unit": "years",
            "minimum": 0,
            "maximum": 130,
            "x-trained": {"low": 18, "high": 90, "usual": 60},
        },
        "female": {"description": "female sex", "x-unit": "0/1", "minimum": 0, "maximum": 1, "x-trained": {"usual": 0}},
        "creatinine": {
            "description": "last creatinine",
            "x-unit": "mg/dL",
            "minimum": 0.1,
            "maximum": 25,
            "x-trained": {"low": 0.4, "high": 6, "usual": 1},
        },
        "ward": {
            "description": "ward",
            "x-unit": "",
            "minimum": 0,
            "maximum": 2,
            "x-categories": WARDS,
            "x-trained": {"usual": 1},
        },
        "unused": {"description": "not in this model", "x-unit": "count"},
    },
}
UNBOUNDED = SCHEMA | {
    "properties": {
        name: {key: value for key, value in about.items() if key != "maximum"}
        for name, about in SCHEMA["properties"].items()
    }
}
BANDS = [{"name": "high", "from": 0.3, "action": "call"}, {"name": "low", "from": 0.0, "action": "usual care"}]


def discharges(count: int = 400) -> tuple[Floats, npt.NDArray[np.int64]]:
    chance = np.random.default_rng(3)
    values = np.column_stack(
        [
            chance.uniform(18, 90, count),
            chance.integers(0, 2, count),
            chance.lognormal(0, 0.4, count),
            chance.integers(0, 3, count),
        ]
    )
    label = (values[:, 0] / 40 + values[:, 2] + chance.normal(size=count) > 3).astype(np.int64)
    values[chance.random(count) < 0.2, 2] = np.nan
    return values, label


def linear() -> Pipeline:
    numeric = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    category = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1.0), OneHotEncoder(handle_unknown="ignore")
    )
    prepare = ColumnTransformer([("numeric", numeric, [0, 1, 2]), ("category", category, [3])])
    return Pipeline([("prepare", prepare), ("model", LogisticRegression())]).fit(*discharges())


def boosting() -> Pipeline:
    values, label = discharges()
    encode = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1.0),
        TargetEncoder(cv=StratifiedKFold(3, shuffle=True, random_state=0)),
    )
    prepare = ColumnTransformer([("numeric", "passthrough", [0, 1, 2]), ("category", encode, [3])])
    prepared = prepare.fit_transform(values, label)
    trees = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(prepared, label)
    around = CalibratedClassifierCV(FrozenEstimator(trees), method="sigmoid", ensemble=False, cv=2)
    return Pipeline([("prepare", prepare), ("model", around.fit(prepared, label))])


PIPELINES = {"linear": linear, "boosting": boosting}


@functools.cache
def fitted(kind: str) -> tuple[Pipeline, Scorer]:
    pipeline = PIPELINES[kind]()
    sink = io.BytesIO()
    joblib.dump(pipeline, sink)
    contents = {
        files.PIPELINE_FILE: sink.getvalue(),
        files.CONTRACT_FILE: json.dumps(SCHEMA).encode(),
        files.POLICY_FILE: json.dumps({"bands": BANDS}).encode(),
        files.LINEAGE_FILE: json.dumps({"model": "m", "version": "v1", "made_from": {}}).encode(),
    }
    return pipeline, Scorer(files.ReleaseFiles("0" * 64, contents, b""))


ROWS = st.lists(
    st.tuples(
        st.one_of(st.just(np.nan), st.floats(0, 130)),
        st.sampled_from([np.nan, 0.0, 1.0]),
        st.one_of(st.just(np.nan), st.floats(0.1, 25)),
        st.sampled_from([np.nan, 0.0, 1.0, 2.0]),
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("kind", PIPELINES)
@given(rows=ROWS)
@settings(max_examples=12, deadline=None)
def test_the_risk_is_the_pipeline_s_own(kind: str, rows: list[tuple[float, ...]]) -> None:
    pipeline, scorer = fitted(kind)
    values = np.array(rows)
    expected = pipeline.predict_proba(values)[:, 1]
    assert np.abs([score.risk for score in scorer.score(values)] - expected).max() <= 1e-12
    assert np.abs(scorer.risks(values) - expected).max() <= 1e-12


@given(rows=ROWS)
@settings(max_examples=20, deadline=None)
def test_linear_contributions_and_the_baseline_add_up_to_the_log_odds(rows: list[tuple[float, ...]]) -> None:
    pipeline, scorer = fitted("linear")
    values = np.array(rows)
    found = scorer.explain(values)
    expected = pipeline.decision_function(values)
    assert np.abs(found.contributions.sum(axis=1) + found.baseline - expected).max() <= 1e-9


@pytest.mark.parametrize("kind", PIPELINES)
def test_a_usual_discharge_has_no_reason_and_the_baseline_s_risk(kind: str) -> None:
    _, scorer = fitted(kind)
    usual = scorer.contract.usual.reshape(1, -1)
    [score] = scorer.score(usual)
    assert score.reasons == ()
    assert logit(score.risk) == pytest.approx(scorer.explain(usual).baseline, abs=1e-9)


@given(rows=ROWS)
@settings(max_examples=12, deadline=None)
def test_occlusion_is_what_replacing_one_value_does(rows: list[tuple[float, ...]]) -> None:
    pipeline, scorer = fitted("boosting")
    values = np.array(rows)
    found = scorer.explain(values).contributions
    own = logit(pipeline.predict_proba(values)[:, 1])
    for column, usual in enumerate(scorer.contract.usual):
        changed = values.copy()
        changed[:, column] = usual
        assert np.abs(own - logit(pipeline.predict_proba(changed)[:, 1]) - found[:, column]).max() <= 1e-9


@pytest.mark.parametrize("kind", PIPELINES)
def test_many_discharges_score_as_one_by_one(kind: str) -> None:
    _, scorer = fitted(kind)
    values = discharges(1500)[0]
    together = scorer.score(values)
    for place in (0, 700, 1499):
        [alone] = scorer.score(values[place : place + 1])
        assert together[place].risk == pytest.approx(alone.risk, abs=1e-12)
        assert [reason.feature for reason in together[place].reasons] == [reason.feature for reason in alone.reasons]


def test_the_method_is_named() -> None:
    assert fitted("linear")[1].method.startswith("exact")
    assert fitted("boosting")[1].method.startswith("occlusion")


@pytest.mark.parametrize("kind", PIPELINES)
def test_reasons_are_in_the_words_of_a_clinic(kind: str) -> None:
    _, scorer = fitted(kind)
    [score] = scorer.score(scorer.matrix({"age": [88], "female": [1], "creatinine": [None], "ward": [2]}))
    told = {reason.feature: reason for reason in score.reasons}
    assert told["age"].text == "age: 88 years, raises the risk"
    [high] = scorer.score(scorer.matrix({"age": [88], "female": [0], "creatinine": [5.5], "ward": [1]}))
    assert high.reasons[0].text.startswith(("last creatinine: 5.5 mg/dL", "age: 88 years"))
    assert (high.decision, high.action) == ("high", "call")
    features = {feature.name: feature for feature in scorer.contract.features}
    assert features["ward"].shown(2.0) == "other"
    assert features["female"].shown(1.0) == "yes"
    assert features["creatinine"].shown(float("nan")) == "not recorded"


def test_a_value_outside_of_the_training_range_is_flagged_and_not_refused() -> None:
    _, scorer = fitted("linear")
    [score] = scorer.score(scorer.matrix({"age": [101], "female": [1], "creatinine": [1.0], "ward": [0]}))
    assert score.warnings == (
        "age: outside the range of the training data (18 years to 90 years), so the risk is less certain",
    )
    [inside] = scorer.score(scorer.matrix({"age": [90], "female": [1], "creatinine": [None], "ward": [0]}))
    assert inside.warnings == ()


GOOD: dict[str, list[Any]] = {"age": [70], "female": [1], "creatinine": [1.1], "ward": [2]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shoe": [1]}, "unknown: shoe"),
        ({"age": [float("inf")]}, "age is infinite"),
        ({"age": [-float("inf")]}, "age is infinite"),
        ({"age": [977]}, r"age is outside the possible range \(0 to 130 years\)"),
        ({"creatinine": [90.5]}, r"creatinine is outside the possible range \(0.1 to 25 mg/dL\)"),
        ({"ward": [3]}, "ward is outside"),
        ({"ward": [0.5]}, "ward is not a code"),
        ({"age": ["70"]}, "age is a number and was given as text"),
        ({"age": [True]}, "values that are not numbers"),
        ({"age": [[1]]}, "values that are not numbers"),
        ({"age": [10**400]}, "too large"),
        ({"age": [1, 2]}, "different lengths"),
        ({name: [] for name in NAMES}, "different lengths or none"),
    ],
)
def test_what_the_contract_does_not_allow_is_refused(change: dict[str, list[Any]], says: str) -> None:
    with pytest.raises(UserError, match=says) as fault:
        Contract(SCHEMA).matrix(GOOD | change)
    assert "977" not in str(fault.value)
    assert "90.5" not in str(fault.value)


def test_a_feature_that_is_missing_is_refused_and_one_that_is_not_used_is_not() -> None:
    contract = Contract(SCHEMA)
    with pytest.raises(UserError, match="missing: ward"):
        contract.matrix({name: values for name, values in GOOD.items() if name != "ward"})
    assert contract.matrix(GOOD | {"unused": [3]}).tolist() == [[70.0, 1.0, 1.1, 2.0]]
    assert np.isnan(contract.matrix(GOOD | {"age": [None]})[0, 0])


TENSOR_SCHEMA: dict[str, Any] = {
    "x-order": list(NAMES[:3]),
    "properties": {name: SCHEMA["properties"][name] for name in NAMES[:3]},
}
CELLS = st.one_of(st.none(), st.sampled_from([0, 1, 0.5, 1.0]))


@given(rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4), nested=st.booleans())
@settings(max_examples=60)
def test_a_tensor_is_what_named_columns_are(rows: list[list[float | None]], nested: bool) -> None:
    contract = Contract(TENSOR_SCHEMA)
    named = {name: [row[place] for row in rows] for place, name in enumerate(contract.names)}
    data = rows if nested else [cell for row in rows for cell in row]

    def outcome(way: Callable[[], Floats]) -> Any:
        try:
            return way().tolist()
        except UserError as fault:
            return str(fault)

    found = outcome(lambda: contract.tensor(data, [len(rows), 3], contract.order))
    assert repr(found) == repr(outcome(lambda: contract.matrix(named)))


@given(
    data=st.recursive(CELLS | st.text(max_size=3) | st.booleans() | st.floats(), st.lists, max_leaves=12),
    shape=st.lists(st.integers(-2, 5), max_size=3),
)
@settings(max_examples=200)
def test_no_tensor_ends_in_another_fault_than_one_sentence(data: Any, shape: list[int]) -> None:
    contract = Contract(TENSOR_SCHEMA)
    try:
        values = contract.tensor(data if isinstance(data, list) else [data], shape, contract.order)
    except UserError:
        return
    assert values.shape == (shape[0], 3)
    assert not np.isinf(values).any()


def test_the_order_of_a_tensor_must_be_the_contract_s_and_a_table_takes_none() -> None:
    contract = Contract(TENSOR_SCHEMA)
    turned = Contract(TENSOR_SCHEMA | {"x-order": list(reversed(TENSOR_SCHEMA["x-order"]))})
    assert contract.order != turned.order
    with pytest.raises(UserError, match="order"):
        contract.tensor([50, 1, 1.0], [1, 3], turned.order)
    own = Contract(TENSOR_SCHEMA | {"x-table": {"patient": "id", "time": None}})
    with pytest.raises(UserError, match="own table takes no tensor"):
        own.tensor([50, 1, 1.0], [1, 3], own.order)


def test_a_number_that_overflows_the_risk_is_refused_by_name() -> None:
    pipeline, _ = fitted("linear")
    contract = Contract(UNBOUNDED)
    document = compiled(pipeline, contract.names, "0" * 64)
    contents = {
        files.PIPELINE_FILE: b"",
        files.COMPILED_FILE: dumped(document.model_copy(update={"pipeline_sha256": hashlib.sha256(b"").hexdigest()})),
        files.CONTRACT_FILE: json.dumps(UNBOUNDED).encode(),
        files.POLICY_FILE: json.dumps({"bands": BANDS}).encode(),
    }
    scorer = Scorer(files.ReleaseFiles("0" * 64, contents, b""))
    with pytest.raises(UserError, match="creatinine is too large to compute a risk") as fault:
        scorer.score(np.array([[60.0, 1.0, 1.7e308, 1.0]]))
    assert "e308" not in str(fault.value)

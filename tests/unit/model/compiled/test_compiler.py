"""What is compiled equals the pipeline on any row, and what cannot be compiled is refused."""

import warnings
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from model.compiled.compiler import compiled
from model.compiled.document import LinearDocument, Number, TreesDocument
from model.compiled.loading import explainer
from model.errors import UserError
from model.scoring.explain import explainer as evaluated_explainer
from tests.support.model.compiled_world import SHA256, SHAPES, Fitted, Kind, Shape, fitted, rows

KINDS: tuple[Kind, ...] = ("linear", "trees")
TOLERANCE = 1e-12


def quietly(kind: Kind, shape: Shape) -> Fitted:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a small random table has constant columns and folds without a level
        return fitted(kind, shape)


@pytest.mark.parametrize("kind", KINDS)
@given(shape=SHAPES, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_risks_and_contributions_are_the_pipeline_s(kind: Kind, shape: Shape, seed: int) -> None:
    found = quietly(kind, shape)
    values = rows(found, seed)
    own = explainer(found.document, found.contract.usual).explain(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unknown categories are what is tried here
        expected = evaluated_explainer(found.pipeline, found.contract).explain(values)
        risk = found.pipeline.predict_proba(values)[:, 1]
    assert np.abs(own.risk - risk).max() <= TOLERANCE
    assert np.abs(own.risk - expected.risk).max() <= TOLERANCE
    scale = np.maximum(1.0, np.abs(expected.contributions))
    assert (np.abs(own.contributions - expected.contributions) / scale).max() <= TOLERANCE
    assert own.baseline == pytest.approx(expected.baseline, abs=TOLERANCE, rel=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["C", "F"])  # columns that were joined are in Fortran's order
def test_a_row_alone_is_to_the_last_bit_what_it_is_among_many(kind: Kind, order: Literal["C", "F"]) -> None:
    found = quietly(kind, Shape(3, 40, 2, 0.1, 10, True, 16, 40, 1.1, 0.2))
    model = explainer(found.document, found.contract.usual)
    values = np.array(rows(found, seed=1, count=5000), order=order)
    together = model.explain(values)
    for start, end in (
        (0, 1),
        (1, 3),
        (7, 32),
        (2040, 2060),
        (4990, 5000),
        (0, 1000),
        *((row, row + 1) for row in range(99)),
    ):
        alone = model.explain(values[start:end])
        assert alone.risk.tobytes() == together.risk[start:end].tobytes()
        assert alone.contributions.tobytes() == together.contributions[start:end].tobytes()
    assert model.explain(values[:0]).contributions.shape == (0, values.shape[1])


def test_a_trees_contribution_is_what_replacing_the_value_does() -> None:
    found = quietly("trees", Shape(11, 7, 2, 0.3, 0, False, 31, 30, 1.0, 0.0))
    assert isinstance(found.document, TreesDocument)
    model, usual = explainer(found.document, found.contract.usual), found.contract.usual
    values = rows(found, seed=4, count=60)

    def log_odds(inputs: Any) -> Any:
        risk = model.explain(inputs).risk
        return np.log(risk / (1 - risk))

    for column in range(values.shape[1]):
        changed = values.copy()
        changed[:, column] = usual[column]
        assert (
            np.abs(log_odds(values) - log_odds(changed) - model.explain(values).contributions[:, column]).max() <= 1e-9
        )


def test_a_tree_may_be_a_single_leaf() -> None:
    found = quietly("trees", Shape(5, 3, 0, 0.0, 0, False, 2, 2, 1.0, 0.0))
    assert isinstance(found.document, TreesDocument)
    stump = found.document.trees[0].model_copy(
        update={"feature": (-1,), "threshold": (0.0,), "missing_left": (False,), "left": (-1,), "right": (-1,)}
        | {"value": (0.25,)}
    )
    alone = found.document.model_copy(update={"trees": (stump,), "baseline": -1.0})
    answer = explainer(alone, found.contract.usual).explain(found.trained_on[:3])
    assert answer.risk == pytest.approx(1 / (1 + np.exp(0.75)))
    assert not answer.contributions.any()


def test_a_linear_model_reads_as_a_table_of_its_features() -> None:
    document = quietly("linear", Shape(7, 6, 2, 0.1, 10, False, 8, 20, 0.9, -0.1)).document
    assert isinstance(document, LinearDocument)
    first = document.features[0]
    assert isinstance(first, Number)
    assert len(first.bins) == len(first.edges) + 1


def two(prepare: Any, model: Any, columns: int = 2) -> Pipeline:
    chance = np.random.default_rng(1)
    values = chance.integers(0, 3, (80, columns)).astype(np.float64)
    label = (values[:, 0] + chance.normal(size=80) > 1).astype(np.int64)
    pipeline: Pipeline = Pipeline([("prepare", prepare), ("model", model)]).fit(values, label)
    return pipeline


SCALED = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
TREES = HistGradientBoostingClassifier(max_iter=2)
UNKNOWN: dict[str, Any] = {
    "another scaler": lambda: two(
        ColumnTransformer([("numeric", make_pipeline(SimpleImputer(), MinMaxScaler()), [0, 1])]), LogisticRegression()
    ),
    "no imputer": lambda: two(ColumnTransformer([("numeric", StandardScaler(), [0, 1])]), LogisticRegression()),
    "no ColumnTransformer": lambda: two(StandardScaler(), LogisticRegression()),
    "a feature without a part": lambda: two(ColumnTransformer([("numeric", SCALED, [0])]), LogisticRegression()),
    "a feature twice": lambda: two(
        ColumnTransformer([("a", SCALED, [0, 1]), ("b", SCALED, [1])]), LogisticRegression()
    ).set_params(),
    "dropped levels": lambda: two(
        ColumnTransformer(
            [
                (
                    "category",
                    make_pipeline(
                        SimpleImputer(strategy="constant", fill_value=-1.0),
                        OneHotEncoder(drop="first", handle_unknown="ignore"),
                    ),
                    [0, 1],
                )
            ]
        ),
        LogisticRegression(),
    ),
    "another model": lambda: two(ColumnTransformer([("n", SCALED, [0, 1])]), RandomForestClassifier(n_estimators=2)),
    "trees without a calibration": lambda: two(ColumnTransformer([("n", "passthrough", [0, 1])]), TREES),
    "an isotonic calibration": lambda: two(
        ColumnTransformer([("n", "passthrough", [0, 1])]),
        CalibratedClassifierCV(TREES, method="isotonic", ensemble=False, cv=2),
    ),
    "several calibrated models": lambda: two(
        ColumnTransformer([("n", "passthrough", [0, 1])]), CalibratedClassifierCV(TREES, method="sigmoid", cv=2)
    ),
    "sets of levels": lambda: two(
        ColumnTransformer([("n", "passthrough", [0, 1])]),
        CalibratedClassifierCV(
            HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]), ensemble=False, cv=2
        ),
    ),
    "transformers with weights": lambda: two(
        ColumnTransformer([("numeric", SCALED, [0, 1])], transformer_weights={"numeric": 2.0}), LogisticRegression()
    ),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_is_not_known_is_refused_and_never_approximated(kind: str) -> None:
    with pytest.raises(UserError, match="cannot be compiled"):
        compiled(UNKNOWN[kind](), ("a", "b"), SHA256)


def test_other_names_than_the_pipeline_takes_are_refused() -> None:
    pipeline = two(ColumnTransformer([("numeric", SCALED, [0, 1])]), LogisticRegression())
    assert compiled(pipeline, ("a", "b"), SHA256).names == ("a", "b")
    with pytest.raises(UserError, match="cannot be compiled"):
        compiled(pipeline, ("a", "b", "c"), SHA256)

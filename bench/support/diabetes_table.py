"""Data set Diabetes 130-US hospitals (UCI 296) as model columns, from each encounter and earlier ones."""

import io
import zipfile

import numpy as np
import pandas as pd

from bench.support.samples import shared
from model.dataset.columns import OTHER, Column, codes
from model.dataset.dataset import Dataset
from model.errors import UserError

ARCHIVE = "diabetes130/dataset_diabetes.zip"
TABLE = "dataset_diabetes/diabetic_data.csv"
PATIENT, ORDER, OUTCOME, EARLY = "patient_nbr", "encounter_id", "readmitted", "<30"
COUNTS = (
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
)
CODES = (
    *("race", "gender", "weight", "admission_type_id", "discharge_disposition_id", "admission_source_id"),
    *("payer_code", "medical_specialty", "max_glu_serum", "A1Cresult", "change", "diabetesMed"),
)
FIRST_DRUG, LAST_DRUG = "metformin", "metformin-pioglitazone"
DIAGNOSES = ("diag_1", "diag_2", "diag_3")
RARE = 20


def read() -> pd.DataFrame:
    """Return the published table, in the order of the encounters.

    Raises
    ------
    UserError
        When the data is not there.
    """
    home = shared("")
    if not (home / ARCHIVE).is_file():
        raise UserError(f"{ARCHIVE} is not in {home}; set HMLOPS_SHARED_DATA to the folder of the data sets.")
    with zipfile.ZipFile(home / ARCHIVE) as archive:
        table = pd.read_csv(io.BytesIO(archive.read(TABLE)), na_values="?", keep_default_na=False, dtype=str)
    for name in (ORDER, *COUNTS):
        table[name] = table[name].astype(float)
    return table.sort_values(ORDER, kind="stable", ignore_index=True)


def derive(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns known at discharge, one row per encounter; numbers as floats, the rest as text.

    The history of a patient is what his earlier encounters in the table show, never their outcome, and the distance in
    encounter numbers to the last one, which stands in for the time since. Diagnoses are cut to the three digits of
    their ICD-9 category.
    """
    numbers = {name: table[name] for name in COUNTS}
    numbers["age"] = table["age"].str.extract(r"\[(\d+)-")[0].astype(float) + 5
    drugs = table.loc[:, FIRST_DRUG:LAST_DRUG]
    numbers |= {f"drugs_{state}": (drugs == state).sum(axis=1).astype(float) for state in ("Steady", "Up", "Down")}
    numbers["visits"] = table["number_outpatient"] + table["number_emergency"] + table["number_inpatient"]
    texts = {name: table[name] for name in (*CODES, *drugs.columns)}
    texts |= {name: _category(table[name]) for name in DIAGNOSES}
    by_patient = table.groupby(PATIENT, sort=False)
    numbers["earlier"] = by_patient.cumcount().astype(float)
    numbers["earlier_distance"] = (table[ORDER] - by_patient[ORDER].shift() + 1).map(np.log)
    numbers["earlier_days"] = by_patient["time_in_hospital"].shift()
    numbers["earlier_admissions"] = by_patient["number_inpatient"].shift()
    texts["earlier_disposition"] = by_patient["discharge_disposition_id"].shift()
    texts["earlier_diagnosis"] = _category(by_patient["diag_1"].shift())
    return pd.DataFrame(numbers | texts)


def dataset(table: pd.DataFrame, derived: pd.DataFrame) -> tuple[Dataset, tuple[Column, ...]]:
    """Return the rows as arrays, with their columns; rare levels of a category are pooled."""
    columns, values = [], []
    for name in derived:
        if derived[name].dtype == np.float64:
            column, numbers = Column(str(name)), derived[name].to_numpy()
        else:
            counted = derived[name].value_counts()
            column = Column(str(name), "category", (*sorted(counted.index[counted >= RARE]), OTHER))
            numbers = codes(column, derived[name].tolist())
        if len(np.unique(numbers[np.isfinite(numbers)])) > 1:
            columns.append(column)
            values.append(numbers)
    data = Dataset(
        names=tuple(column.name for column in columns),
        values=np.column_stack(values),
        label=(table[OUTCOME] == EARLY).to_numpy().astype(np.int64),
        patient=table[PATIENT].to_numpy(dtype=str),
        baseline=np.full(len(table), np.nan),
        time=None,
        groups={},
        later=np.zeros(len(table), dtype=bool),
    )
    return data, tuple(columns)


def _category(code: "pd.Series[str]") -> "pd.Series[str]":
    return code.str.partition(".")[0]

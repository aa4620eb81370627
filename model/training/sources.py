"""Training data sources: a features file, a warehouse, or a hospital's own table."""

import difflib
import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace

import numpy as np
import pyarrow as pa

from model.dataset import tables
from model.dataset.columns import Column
from model.dataset.dataset import Dataset, labelled
from model.definitions.features import definitions
from model.errors import UserError
from model.io.hospital_name import check_hospital
from model.training.baseline import baseline
from model.training.groups import groups_of, recorded_groups
from model.training.split import split


@dataclass(frozen=True)
class Source:
    """Training data with its lineage."""

    data: Dataset
    columns: tuple[Column, ...]
    exclusion_reasons: dict[str, str]
    hospitals: tuple[str, ...]
    definition_digest: str
    data_digest: str
    made_from: dict[str, object]
    return_days: int

    def without(self, reasons: dict[str, str]) -> "Source":
        """Return the source without some columns."""
        keep = [place for place, column in enumerate(self.columns) if column.name not in reasons]
        columns = tuple(self.columns[place] for place in keep)
        data = replace(self.data, names=tuple(c.name for c in columns), values=self.data.values[:, keep])
        return replace(self, data=data, columns=columns, exclusion_reasons=self.exclusion_reasons | reasons)


def from_features(place: str, *, without: Collection[str], attributes: Collection[str] | None) -> Source:
    """Return the rows of a features file, or of a warehouse."""
    # Imported here: it loads the query engine, which a hospital's own table does without.
    from model.warehouse.read import load

    table, made_from = load(place)
    columns = tuple(
        Column(name=f.name, meaning=f.meaning, unit=f.unit, source=f.source, window=f.window)
        for f in definitions().features
    )
    data = labelled(table, tuple(column.name for column in columns))
    grouped = groups_of({name: data.column(name) for name in data.names}, attributes=attributes)
    grouped |= recorded_groups(table, attributes=attributes)
    source = Source(
        data=replace(data, groups=grouped),
        columns=columns,
        exclusion_reasons={},
        hospitals=tuple(sorted(made_from["curated"])),
        definition_digest=made_from["definition_digest"],
        data_digest=_digest(table),
        made_from=made_from,
        return_days=definitions().stay.return_days,
    )
    return source.without(_wanted_out(tables.split_names(tuple(without), data.names), data.names))


def from_table(place: str, words: tables.Words, *, hospital: str, attributes: Collection[str] | None) -> Source:
    """Return the rows of a hospital's own table whose outcome and patient are known."""
    check_hospital(hospital)
    read = tables.read_table(place)
    table = read.frame
    words = words.of_table([str(name) for name in table.columns])
    tables.need(table, words.named)
    outcome = tables.outcomes(table[words.label], words)
    whose = tables.identities(table[words.patient], words)
    keep = np.isfinite(outcome) & np.array([value is not None for value in whose])
    if not keep.any():
        raise UserError("No row of the table has both an outcome and a patient; check --label and --patient.")
    times = tables.times(table[words.time], words.dates) if words.time else None
    label, patient = outcome[keep].astype(np.int64), whose[keep].astype(str)
    bare = Dataset(
        names=(),
        values=np.empty((len(label), 0)),
        label=label,
        patient=patient,
        baseline=np.zeros(len(label)),
        time=times.values[keep] if times else None,
        groups={},
        later=np.zeros(len(label), dtype=bool),
    )
    # Until when the outcome of a discharge may still come, a table does not say: the definitions' window is taken.
    return_days = definitions().stay.return_days
    rows = tables.Rows(kept=keep, fit=split(bare, return_days=return_days).fit, patient=patient)
    special = {words.label, words.patient, words.time}
    features = [str(name) for name in table.columns if name not in special]
    exclusion_reasons = _wanted_out(words.without, features)
    described = {name: tables.describe(table[name], rows, words) for name in features if name not in exclusion_reasons}
    exclusion_reasons |= {name: why for name, why in described.items() if isinstance(why, str)}
    kept = [one for one in described.values() if isinstance(one, tables.Described)]
    columns = tuple(one.column for one in kept)
    compared = baseline(table, words, rows, label)
    grouped = groups_of({f.column.name: f.values for f in kept if f.column.kind == "numeric"}, attributes=attributes)
    grouped |= {name: tables.groups(table[name], rows, words) for name in words.groups}
    data = replace(
        bare,
        names=tuple(column.name for column in columns),
        values=np.column_stack([one.values for one in kept]) if kept else bare.values,
        baseline=compared.values,
        groups=grouped,
    )
    read_as = {"(file)": "; ".join(read.remarks)} if read.remarks else {}
    read_as |= {str(words.time): times.read_as} if times else {}
    read_as |= {one.column.name: one.read_as for one in kept} | {"(comparison)": compared.read_as}
    digest = hashlib.sha256(json.dumps([asdict(c) for c in columns], sort_keys=True).encode()).hexdigest()
    made_from = {
        "table": asdict(words) | {"time_written": times.order if times else None},
        "read_as": read_as,
        "baseline": {"name": compared.name, "columns": compared.columns},
        "rows_without_outcome_or_patient": int((~keep).sum()),
    }
    return Source(data, columns, exclusion_reasons, (hospital,), digest, _content_digest(data), made_from, return_days)


def _wanted_out(without: Collection[str], names: Collection[str]) -> dict[str, str]:
    for name in without:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else "; remove the option."
            raise UserError(f"Unknown feature {name} in --without{hint}")
    return dict.fromkeys(without, "left out by --without")


def _content_digest(data: Dataset) -> str:
    digest = hashlib.sha256("\0".join(data.names).encode())
    for part in (data.values, data.label, np.char.encode(data.patient, "utf-8")):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _digest(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()

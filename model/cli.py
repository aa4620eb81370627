"""``python -m model``: from FHIR to a signed release, one command a step."""

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model.console import answer
from model.errors import GateError, UserError

app = typer.Typer(
    name="model",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def about() -> None:
    """FHIR in, a signed readmission-risk release out. Any path may be local or s3://bucket/prefix."""


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command()
def synthesize(
    out: Annotated[str, typer.Option(help="Folder or S3 prefix for the FHIR files.")],
    patients: Annotated[int, typer.Option(help="How many patients.")] = 1500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    ndjson: Annotated[bool, typer.Option("--ndjson", help="Bulk Data files in place of bundles.")] = False,
    truth: Annotated[str | None, typer.Option(help="File for the true risk of each discharge.")] = None,
    as_json: Json = False,
) -> None:
    """Write a synthetic hospital population as FHIR R4."""
    from model.synthesis.run import synthesize as run

    done = run(patients=patients, seed=seed, out=out, ndjson=ndjson, truth=truth)
    text = f"{done.patients} patients with {done.stays} stays ({done.resources} resources) in {done.out}"
    answer(asdict(done), text, as_json=as_json)


@app.command()
def ingest(
    source: Annotated[str, typer.Argument(help="Folder, file or s3:// prefix of bundles, NDJSON or gzip.")],
    hospital: Annotated[str, typer.Option(help="Short name; part of every pseudonym.")],
    out: Annotated[str, typer.Option(help="Folder or S3 prefix of the curated tables.")],
    max_bad_share: Annotated[float, typer.Option(help="More refused resources than this share stop the run.")] = 0.05,
    quarantine: Annotated[str | None, typer.Option(help="Where the reasons for refusals go.")] = None,
    observed_until: Annotated[str | None, typer.Option(help="The record is complete up to this day.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Key file for the shell, in place of Vault.")] = None,
    as_json: Json = False,
) -> None:
    """Validate and de-identify FHIR, and publish curated tables."""
    from model.deid.keys import keyring
    from model.ingestion.run import ingest as run

    began = time.monotonic()
    done = run(
        source,
        hospital=hospital,
        out=out,
        ring=keyring(hospital, key_file),
        max_bad_share=max_bad_share,
        quarantine=quarantine,
        observed_until=observed_until,
    )
    rate = sum(done.counts.values()) / max(time.monotonic() - began, 1e-9)
    text = f"{done.hospital}: nothing changed since run {done.run}"
    if done.changed:
        held = ", ".join(f"{count} {name}" for name, count in done.rows.items())
        text = f"{done.hospital}: {held} from {done.files} files ({rate:,.0f} resources/s), run {done.run}"
        text += f"; {done.counts['refused']} refused, see {done.quarantine}" if done.quarantine else ""
    answer(asdict(done) | {"resources_per_second": round(rate)}, text, as_json=as_json)


@app.command()
def features(
    curated: Annotated[str, typer.Argument(help="Where ingest published its tables.")],
    out: Annotated[str, typer.Option(help="The Parquet file to write.")],
    engine: Annotated[str, typer.Option(help="What runs the expressions: duckdb.")] = "duckdb",
    as_json: Json = False,
) -> None:
    """Compute one row of features for each index discharge."""
    from model.features.build import build

    done = build(curated, out=out, engine=engine)
    text = f"{done.discharges} discharges of {done.patients} patients, {done.labelled} labelled, "
    text += f"{done.readmitted} readmitted within 30 days, in {done.out}"
    answer(asdict(done), text, as_json=as_json)


@app.command()
def train(
    features: Annotated[str, typer.Argument(help="The features file.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    profile: Annotated[
        str,
        typer.Option(envvar="HMLOPS_GATES_PROFILE", help="Gates that the model must pass: clinical, demonstration."),
    ] = "clinical",
    gates: Annotated[Path | None, typer.Option(help="Another gates file than the package's.")] = None,
    as_json: Json = False,
) -> None:
    """Fit the model on three quarters of the patients."""
    from model.gates import gate_table
    from model.training import train as run

    done = run(features, out=out, profile=profile, gates=gate_table(gates))
    text = f"trained on {done.counts['training_discharges']} discharges with {done.counts['training_readmissions']} "
    text += f"readmissions, penalty {done.penalty}, profile {done.profile}, in {out}"
    answer({"run": str(out), **asdict(done)}, text, as_json=as_json)


@app.command()
def evaluate(
    run_dir: Annotated[Path, typer.Argument(help="Folder of the run.")],
    as_json: Json = False,
) -> None:
    """Evaluate on the other patients and hold the result against the gates."""
    from model.evaluation import evaluate as run
    from model.evaluation import refuse

    done = run(run_dir)
    auc, lace = done["roc_auc"], done["lace_roc_auc"]
    text = f"{done['counts']['discharges']} test discharges with {done['counts']['readmissions']} readmissions"
    if auc and lace:
        text += f": ROC-AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f}), LACE {lace['value']:.3f}, "
        text += f"Brier {done['brier']['value']:.3f}, calibration slope {done['calibration']['slope']:.2f}"
    answer(done, text, as_json=as_json)
    refuse(done)


@app.command()
def release(
    run_dir: Annotated[Path, typer.Argument(help="Folder of the run.")],
    version: Annotated[str, typer.Option(help="Such as v1.")],
    to: Annotated[str, typer.Option(help="Folder or S3 prefix; the release lies at TO/VERSION/DIGEST12.")],
    hospital: Annotated[str | None, typer.Option(help="Whose Vault key signs; the run's unless given.")] = None,
    approve: Annotated[str | None, typer.Option(help="Who approved it.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Signing key for the shell, in place of Vault.")] = None,
    as_json: Json = False,
) -> None:
    """Publish a run that passed its gates as an immutable, signed folder."""
    from model.release.publish import release as run
    from model.release.signing import signer
    from model.training import read_run

    whose = hospital or read_run(run_dir).hospitals[0]
    done = run(run_dir, version=version, to=to, signer=signer(whose, key_file), approved_by=approve, reason=reason)
    text = f"{done.release} at {done.place}" + ("" if done.changed else " (was there already)")
    answer(asdict(done), text, as_json=as_json)


@app.command()
def verify(
    release: Annotated[str, typer.Argument(help="Folder or S3 prefix of the release.")],
    hospital: Annotated[str | None, typer.Option(help="Trust only this hospital's signing key.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Trust only this signing key.")] = None,
    as_json: Json = False,
) -> None:
    """Check hashes, signature and contract, and make one prediction."""
    from model.release.publish import verify as run
    from model.release.signing import signer

    trust = hospital is not None or key_file is not None
    trusted = signer(hospital or "", key_file).public_keys().values() if trust else None
    done = run(release, trusted=trusted)
    text = f"{done.model} {done.digest[:12]} holds; signed by {done.signer}"
    text += "" if done.trusted else " (give --hospital or --key-file to check whose key that is)"
    answer(asdict(done), text, as_json=as_json)


@app.command()
def score(
    release: Annotated[str, typer.Argument(help="Folder or S3 prefix of the release.")],
    features: Annotated[str, typer.Argument(help="A features file, or a FHIR file of one patient.")],
    patient: Annotated[str, typer.Option(help="A pseudonym, or any.")] = "any",
    as_json: Json = False,
) -> None:
    """Score a patient's latest discharge: risk, decision, reasons."""
    from model.latest import is_bundle, latest, latest_of_bundle
    from model.scoring import Scorer

    discharge = latest_of_bundle(features) if is_bundle(features) else latest(features, patient)
    scorer = Scorer.open(release)
    found = scorer.score(scorer.matrix(discharge.columns))[0]
    values = {"patient": discharge.patient, "model": scorer.name, "digest": scorer.files.short, **asdict(found)}
    reasons = "; ".join(reason.text for reason in found.reasons)
    text = f"{discharge.patient}: risk {found.risk:.1%}, {found.decision}: {found.action}; {reasons}"
    answer(values, text, as_json=as_json)


@app.command()
def card(
    release: Annotated[str, typer.Argument(help="Folder or S3 prefix of the release.")],
    out: Annotated[str, typer.Option(help="The .md or .html file to write.")],
    as_json: Json = False,
) -> None:
    """Write a release's model card."""
    from model import places
    from model.release import files
    from model.release.card import as_html

    found = files.read(release)
    text = found.text(files.CARD_FILE)
    places.write(out, (as_html(text) if out.endswith(".html") else text).encode())
    answer({"card": out, "digest": found.digest}, f"model card in {out}", as_json=as_json)


def main() -> None:
    """Run the command line; faults of the user are one sentence, never a stack trace."""
    try:
        app()
    except GateError as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        sys.exit(1)
    except UserError as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; what was published before is unchanged", file=sys.stderr)
        sys.exit(130)

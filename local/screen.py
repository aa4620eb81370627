"""What the user sees: the final screens of ``make up`` and ``make rehearse``."""

from rich.console import Console
from rich.table import Table

from local.rehearsal import MARKS, Rehearsal, state_file
from local.rollout import Summary
from local.served import remark

_FIGURES = {
    "roc_auc": "ROC-AUC",
    "lace_roc_auc": "(LACE alone)",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "calibration_slope": "calibration slope",
}


def _figure(value: object) -> str:
    if value is None:
        return "too few to tell"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def show(summary: Summary) -> None:
    """Print where everything is, what is served, and what to try next."""
    console = Console(highlight=False)
    console.print("\n[bold]healthcare-mlops is up[/]\n")
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, url in summary.endpoints.items():
        table.add_row(name, url)
    console.print(table)
    for hospital in summary.hospitals:
        console.print(f"\n[bold]{hospital.name}[/]  readmission-risk-v1, release {hospital.release}")
        console.print(f"  {hospital.endpoint}")
        unknown = remark(hospital.metrics)
        if unknown:
            console.print(f"  [bold yellow]{unknown}[/]", soft_wrap=True)
        figures = [f"{title} {_figure(hospital.metrics.get(key))}" for key, title in _FIGURES.items()]
        console.print("  " + "  ".join(figures), soft_wrap=True)
        score = hospital.score
        patient, risk = str(score.get("patient", ""))[:16], _figure(score.get("risk"))
        console.print(f"  patient {patient}: risk {risk} ({score.get('decision')})")
        if score.get("caution"):
            console.print(f"    caution: {score['caution']}", soft_wrap=True)
        for reason in score.get("reasons", []):
            console.print(f"    - {reason if isinstance(reason, str) else reason.get('text', reason)}")
    console.print(
        '\nNext: eval "$(make -s env)", then\n'
        "  kubectl get inferenceservice -A\n"
        "  pulumi preview --diff            no changes\n"
        "  pulumi stack output\n"
        "  bao secrets list\n"
        "  make status, make down\n"
    )


def show_rehearsal(found: Rehearsal) -> None:
    """Print what a rehearsal of production came to, and what of it was only declared."""
    console = Console(highlight=False)
    console.print(f"\n[bold]production rehearsed[/]  {found.resources} resources, a second run would change nothing\n")
    for mark, why in MARKS.items():
        named = found.only_declared[mark]
        console.print(f"{len(named)} checked and not run: {why}")
        for name in named:
            console.print(f"  - {name}", soft_wrap=True)
    console.print(
        "\nNext:\n"
        f"  python -m policy_pack check --state {state_file()} --stack-config Pulumi.prod.yaml\n"
        f"  python -m policy_pack evidence --stack prod --state {state_file()} --out build/evidence\n",
        soft_wrap=True,
    )

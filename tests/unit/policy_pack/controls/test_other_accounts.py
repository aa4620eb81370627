"""Keys, images and copies of backups of another account."""

from typing import Any

import pytest

from policy_pack.settings import load
from policy_pack.stack.graph import Graph
from tests.policy import recorded
from tests.policy.attacks.mutation import Step, changed, put
from tests.policy.evaluation import results

STRANGER = "arn:aws:kms:us-east-1:999999999999:key/k"
VAULT = "arn:aws:backup:us-west-2:999999999999:backup-vault:v"
IMAGE = f"999999999999.dkr.ecr.us-east-1.amazonaws.com/x@sha256:{'b' * 64}"
SPEC: tuple[Step, ...] = ("spec", "jobTemplate", "spec", "template", "spec", "containers", 0, "image")


@pytest.mark.parametrize(
    ("control", "kind", "steps", "value", "words"),
    [
        ("ENC-02", "aws:cloudwatch/logGroup:LogGroup", ("kmsKeyId",), STRANGER, "a key of another account"),
        ("ENC-02", "aws:backup/vault:Vault", ("kmsKeyArn",), STRANGER, "a key of another account"),
        (
            "ENC-02",
            "aws:rds/clusterInstance:ClusterInstance",
            ("performanceInsightsKmsKeyId",),
            STRANGER,
            "a key of another account",
        ),
        ("INT-05", "k8s:batch/CronJob", SPEC, IMAGE, "from the registry of another account"),
        (
            "AC-18",
            "aws:backup/plan:Plan",
            ("rules", 0, "copyActions", 1),
            {"destinationVaultArn": VAULT},
            "copies to a vault of another account",
        ),
        (
            "AC-18",
            "aws:backup/plan:Plan",
            ("rules", 0, "copyActions", 0, "destinationVaultArn"),
            "arn:aws:iam::999999999999:role/x",
            "copies to a vault of another account",
        ),
    ],
)
def test_another_account_is_refused(control: str, kind: str, steps: tuple[Step, ...], value: Any, words: str) -> None:
    base = recorded.unchanged("prod").graph()
    first = base.of(kind)[0]
    new = changed(first, put(first.props, steps, value))
    graph = Graph([new if one is first else one for one in base], "prod")
    assert any(words in one.message and one.urn == first.urn for one in results(graph, load(), control))

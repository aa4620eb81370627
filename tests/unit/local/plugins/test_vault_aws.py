"""The pure parts of the vault and aws plugins."""

import functools
import importlib
import inspect
import json

import botocore.exceptions
import hvac
import pytest

from local.plugins import aws_provider, vault_provider
from local.plugins.aws import aws_api, functions
from local.plugins.aws_data.s3_lifecycle import _sent, _shown
from local.plugins.provider.common import PluginError
from local.plugins.vault import vault_api


@pytest.mark.parametrize(
    ("text", "wanted"), [(90, 90), ("90", 90), ("1h30m", 5400), ("2d", 172800), ("0s", 0), ("1.5h", 5400)]
)
def test_durations(text: str | int, wanted: int) -> None:
    assert vault_api.seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "soon", "1x", "1h 30m"])
def test_what_is_no_duration_says_so(text: str) -> None:
    with pytest.raises(PluginError, match="is not a duration"):
        vault_api.seconds(text)


def test_an_input_that_was_taken_away_is_emptied() -> None:
    names = {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}
    old = {"a": 1, "b": True, "c": ["x"], "d": "x", "e": {"x": 1}}
    assert vault_api.body({"a": 2}, names, old) == {"A": 2, "B": False, "C": [], "D": "", "E": {}}
    assert vault_api.body({"a": 2}, names) == {"A": 2}


def test_vault_needs_an_address_and_a_token() -> None:
    with pytest.raises(PluginError, match="no Vault address"):
        vault_api.connect({}, {})
    with pytest.raises(PluginError, match="no token for Vault at https://v"):
        vault_api.connect({"address": "https://v"}, {})
    made = vault_api.connect({}, {"VAULT_ADDR": "https://v", "VAULT_TOKEN": "t", "VAULT_CACERT": "/ca"})
    assert (made.http.url, made.http.token) == ("https://v", "t")


def test_faults_are_one_sentence() -> None:
    denied = hvac.exceptions.Forbidden("x", errors=["1 error occurred:\n\t* permission denied"])
    told = str(vault_api.explain(denied, "https://v", "policy"))
    assert told == "policy: Vault at https://v says: 1 error occurred: \t* permission denied"
    refused = botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "no\nway"}}, "PutObject")
    assert str(aws_api.explain(refused, "b")) == "b: AWS refused PutObject: AccessDenied: no way"
    assert aws_api.explain(ValueError("a fault of our own"), "b") is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_row_is_an_official_type() -> None:
    for rows in (aws_provider.AwsProvider.rows, vault_provider.VaultProvider.rows):
        for token, row in rows.items():
            package, module, kind = token.split(":")
            folder, _, file = module.partition("/")
            path = [f"pulumi_{package}", *([] if folder == "index" else [folder.lower()]), _snake(file)]
            # The packages load their parts at the first look at one; a part that is loaded before them hides the rest.
            loaded = functools.reduce(getattr, path[1:-1], importlib.import_module(path[0]))
            assert hasattr(loaded, kind)
            state = getattr(importlib.import_module(".".join(path)), f"_{kind}State")
            properties = set(inspect.signature(state.__init__).parameters)
            for name in {*row.required, *row.replace, *row.defaults, *row.computed, *row.json, *row.unordered}:
                assert _snake(name) in properties, f"{token}: {name}"


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def test_default_tags_join_a_resource_own_ones() -> None:
    cloud = aws_api.connect({"defaultTags": '{"tags": {"project": "p", "a": "default"}}', "region": "us-east-1"}, {})
    assert cloud.all_tags({"tags": {"a": "own"}}) == {"project": "p", "a": "own"}
    live = {"project": "p", "a": "own", "foreign": "x"}
    assert cloud.show_tags(live, {"tags": {"a": "own"}}) == {"tags": {"a": "own", "foreign": "x"}, "tagsAll": live}
    assert cloud.show_tags({"project": "p"}, {}) == {"tags": None, "tagsAll": {"project": "p"}}


def test_region_and_endpoints_come_from_configuration_or_the_environment() -> None:
    with pytest.raises(PluginError, match="no AWS region"):
        _ = aws_api.connect({}, {}).region
    assert aws_api.connect({}, {"AWS_REGION": "us-gov-west-1"}).partition == "aws-us-gov"
    cloud = aws_api.connect({"region": "r", "endpoints": '[{"s3": "https://s"}, {"iam": "https://i"}]'}, {})
    assert [cloud._endpoint(name) for name in ("s3", "iam", "kms")] == ["https://s", "https://i", None]


def test_tags_are_changed_only_where_they_differ() -> None:
    done: list[object] = []
    aws_api.retag({"a": "1", "b": "2"}, {"a": "1", "c": "3"}, done.append, done.append)
    assert done == [["b"], {"c": "3"}]


def test_lifecycle_rules_go_there_and_back() -> None:
    rules = [
        {
            "id": "tidy",
            "status": "Enabled",
            "filter": {"and": {"prefix": "x/", "tags": {"a": "b"}}},
            "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1},
            "transitions": [{"days": 30, "storageClass": "GLACIER"}],
        }
    ]
    sent = _sent(rules)
    assert sent[0]["ID"] == "tidy"
    assert sent[0]["Filter"] == {"And": {"Prefix": "x/", "Tags": [{"Key": "a", "Value": "b"}]}}
    assert _shown(sent) == rules


def test_policy_documents() -> None:
    cloud = aws_api.connect({"region": "us-east-1"}, {})
    statement = {
        "sid": "A",
        "actions": ["s3:GetObject"],
        "resources": ["b", "c"],
        "principals": [{"type": "AWS", "identifiers": ["r"]}],
        "conditions": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}],
    }
    made = functions.call(cloud, "aws:iam/getPolicyDocument:getPolicyDocument", {"statements": [statement]})
    assert json.loads(made["json"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "A",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": ["c", "b"],
                "Principal": {"AWS": "r"},
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
    override = {"overridePolicyDocuments": ['{"Statement": {"Sid": "A", "Effect": "Deny"}}'], "statements": [statement]}
    overridden = functions.call(cloud, "aws:iam/getPolicyDocument:getPolicyDocument", override)
    assert json.loads(overridden["json"])["Statement"] == [{"Sid": "A", "Effect": "Deny"}]


def test_an_unknown_function_says_what_to_do() -> None:
    with pytest.raises(PluginError, match="does not support the function aws:ec2/getVpc:getVpc"):
        functions.call(aws_api.connect({}, {}), "aws:ec2/getVpc:getVpc", {})

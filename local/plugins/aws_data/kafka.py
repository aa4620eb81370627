"""Rows of the aws plugin for MSK clusters and configurations."""

from collections.abc import Mapping
from typing import Any, Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call, Form, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.rows import Row, bare

_CONFIGURATION: Final = {"Arn": "{id}"}

CONFIGURATION: Final = ApiType(
    "aws:msk/configuration:Configuration",
    "kafka",
    Call("CreateConfiguration"),
    Call("DescribeConfiguration", fixed=_CONFIGURATION),
    "@",
    "Arn",
    changes=(
        # A revision contains all properties.
        Call("UpdateConfiguration", frozenset({"description", "serverProperties"}), fixed=_CONFIGURATION),
    ),
    deletes=(Call("DeleteConfiguration", fixed=_CONFIGURATION),),
    # The description is a revision's; properties are another call's, and no revision's ever change.
    reads={"description": "LatestRevision.Description", "serverProperties": ""},
    outputs={"arn": "Arn", "latestRevision": "LatestRevision.Revision"},
)


def _send_login(login: Mapping[str, Any]) -> dict[str, Any]:
    sasl, tls = login.get("sasl") or {}, login.get("tls") or {}
    sent: dict[str, Any] = {}
    if sasl:
        words = {"iam": "Iam", "scram": "Scram"}
        sent["Sasl"] = {word: {"Enabled": sasl[name]} for name, word in words.items() if name in sasl}
    if tls:
        sent["Tls"] = {"Enabled": True, "CertificateAuthorityArnList": tls["certificateAuthorityArns"]}
    if "unauthenticated" in login:
        sent["Unauthenticated"] = {"Enabled": login["unauthenticated"]}
    return sent


def _show_login(live: Mapping[str, Any]) -> dict[str, Any]:
    """Return only enabled settings; the API also returns disabled ones."""
    sasl = live.get("Sasl") or {}
    on = {name: True for name, word in (("iam", "Iam"), ("scram", "Scram")) if (sasl.get(word) or {}).get("Enabled")}
    authorities = (live.get("Tls") or {}).get("CertificateAuthorityArnList")
    shown: dict[str, Any] = {"sasl": on} if on else {}
    shown |= {"tls": {"certificateAuthorityArns": authorities}} if authorities else {}
    return shown | ({"unauthenticated": True} if (live.get("Unauthenticated") or {}).get("Enabled") else {})


def _send_encryption(encryption: Mapping[str, Any]) -> dict[str, Any]:
    sent: dict[str, Any] = {}
    if encryption.get("encryptionAtRestKmsKeyArn"):
        sent["EncryptionAtRest"] = {"DataVolumeKMSKeyId": encryption["encryptionAtRestKmsKeyArn"]}
    if encryption.get("encryptionInTransit"):
        words = {"clientBroker": "ClientBroker", "inCluster": "InCluster"}
        transit = encryption["encryptionInTransit"]
        sent["EncryptionInTransit"] = {words.get(name, name): value for name, value in transit.items()}
    return sent


def _show_encryption(live: Mapping[str, Any]) -> dict[str, Any]:
    key, transit = (live.get("EncryptionAtRest") or {}).get("DataVolumeKMSKeyId"), live.get("EncryptionInTransit") or {}
    settings = {
        name: transit.get(word) for name, word in (("clientBroker", "ClientBroker"), ("inCluster", "InCluster"))
    }
    shown = {name: value for name, value in settings.items() if value is not None}
    return {
        **({"encryptionAtRestKmsKeyArn": key} if key else {}),
        **({"encryptionInTransit": shown} if shown else {}),
    }


def _with_defaults(encryption: Any) -> Any:
    """Return encryption settings with the API's defaults."""
    if not isinstance(encryption, dict):
        return encryption
    transit = {"clientBroker": "TLS", "inCluster": True, **(encryption.get("encryptionInTransit") or {})}
    return {**encryption, "encryptionInTransit": transit}


_CLUSTER: Final = {"ClusterArn": "{id}"}
_CHANGED: Final = {**_CLUSTER, "CurrentVersion": "{currentVersion}"}
_BROKERS: Final = {
    "bootstrapBrokers": "",
    "bootstrapBrokersSaslIam": "SaslIam",
    "bootstrapBrokersSaslScram": "SaslScram",
    "bootstrapBrokersTls": "Tls",
}
_PATIENCE: Final = {"operation": "DescribeCluster", "delay": 30, "maxAttempts": 120}


def _state(expected: str, outcome: str) -> dict[str, str]:
    return {"matcher": "path", "argument": "ClusterInfo.State", "expected": expected, "state": outcome}


CLUSTER: Final = ApiType(
    "aws:msk/cluster:Cluster",
    "kafka",
    Call("CreateCluster"),
    Call("DescribeCluster", fixed=_CLUSTER),
    "ClusterInfo",
    "ClusterArn",
    changes=(
        Call("UpdateBrokerCount", names={"numberOfBrokerNodes": "TargetNumberOfBrokerNodes"}, fixed=_CHANGED),
        Call(
            "UpdateClusterKafkaVersion",
            frozenset({"kafkaVersion"}),
            names={"kafkaVersion": "TargetKafkaVersion"},
            fixed=_CHANGED,
        ),
        Call("UpdateClusterConfiguration", frozenset({"configurationInfo"}), fixed=_CHANGED),
        Call("UpdateMonitoring", frozenset({"enhancedMonitoring", "loggingInfo", "openMonitoring"}), fixed=_CHANGED),
        Call("UpdateSecurity", frozenset({"clientAuthentication"}), fixed=_CHANGED),
    ),
    deletes=(Call("DeleteCluster", fixed=_CLUSTER),),
    reads={
        "configurationInfo": "CurrentBrokerSoftwareInfo.{arn: ConfigurationArn, revision: ConfigurationRevision}",
        "kafkaVersion": "CurrentBrokerSoftwareInfo.KafkaVersion",
    },
    filled=frozenset({"enhancedMonitoring", "storageMode"}),
    outputs={
        "arn": "ClusterArn",
        "currentVersion": "CurrentVersion",
        "zookeeperConnectString": "ZookeeperConnectString",
        "zookeeperConnectStringTls": "ZookeeperConnectStringTls",
        **{name: f"Brokers.BootstrapBrokerString{word}" for name, word in _BROKERS.items()},
    },
    more={"Brokers": Call("GetBootstrapBrokers", fixed=_CLUSTER)},
    forms={
        "clientAuthentication": Form(_send_login, _show_login),
        "encryptionInfo": Form(_send_encryption, _show_encryption),
    },
    words={"brokerNodeGroupInfo.azDistribution": "brokerAZDistribution"},
    tags=Tags(
        Call("TagResource", frozenset(), fixed={"ResourceArn": "{id}"}),
        Call("UntagResource", frozenset(), fixed={"ResourceArn": "{id}"}),
    ),
    # botocore has no waiter for either.
    wait={**_PATIENCE, "acceptors": [_state("ACTIVE", "success"), _state("FAILED", "failure")]},
    wait_gone={
        **_PATIENCE,
        "acceptors": [{"matcher": "error", "expected": "NotFoundException", "state": "success"}],
    },
)

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(CONFIGURATION, required=("serverProperties",), autoname="name", volatile=("latestRevision",)),
    row(
        CLUSTER,
        required=("brokerNodeGroupInfo", "kafkaVersion", "numberOfBrokerNodes"),
        autoname="clusterName",
        autoname_length=64,
        volatile=("currentVersion",),
        normalisers={"clientAuthentication": bare, "encryptionInfo": _with_defaults},
    ),
)

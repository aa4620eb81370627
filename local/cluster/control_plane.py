"""Commands and configuration of etcd and the Kubernetes control plane."""

import secrets
from base64 import b64encode
from pathlib import Path
from typing import Any

import yaml

from local.aws_emulator.messages import TOKEN_REVIEW
from local.paths import API_PORT, API_URL, AWS_URL, NODE_IP, POD_CIDR, SERVICE_CIDR, Home
from local.secret_file import write_secret

ETCD_URL = "https://127.0.0.1:2379"
_PEER_URL = "https://127.0.0.1:2380"
ETCD_HEALTH_PORT = 12381
CONTROLLER_PORT = 10257
SCHEDULER_PORT = 10259

# Metadata level: user, verb and object, without bodies, which may contain secrets.
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/readyz*", "/livez*", "/metrics"]},
        {"level": "None", "verbs": ["watch", "list", "get"], "userGroups": ["system:nodes"]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "None", "resources": [{"group": "", "resources": ["events"]}]},
        {"level": "Metadata"},
    ],
}


def _login(home: Home) -> dict[str, Any]:
    """Return the webhook configuration for authentication of IAM identities, as in EKS."""
    server = {"server": f"{AWS_URL}{TOKEN_REVIEW}", "certificate-authority": str(home.pki / "ca.crt")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "aws", "cluster": server}],
        "users": [{"name": "apiserver", "user": {}}],
        "contexts": [{"name": "aws", "context": {"cluster": "aws", "user": "apiserver"}}],
        "current-context": "aws",
    }


def write(home: Home) -> None:
    """Write the control plane's configuration files."""
    home.config.mkdir(parents=True, exist_ok=True)
    (home.config / "token-review.yaml").write_text(yaml.safe_dump(_login(home)))
    (home.config / "audit-policy.yaml").write_text(yaml.safe_dump(_AUDIT_POLICY))
    encryption = home.pki / "encryption.yaml"
    if not encryption.exists():
        key = b64encode(secrets.token_bytes(32)).decode()
        providers = [{"secretbox": {"keys": [{"name": "key1", "secret": key}]}}, {"identity": {}}]
        content = {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [{"resources": ["secrets", "configmaps"], "providers": providers}],
        }
        write_secret(encryption, yaml.safe_dump(content).encode())


def etcd(home: Home, binary: Path) -> tuple[str, ...]:
    """Return the command of etcd, with TLS and client certificates of a separate CA."""
    pki = home.pki
    return (
        str(binary),
        f"--data-dir={home.root / 'etcd'}",
        "--name=hmlops",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={_PEER_URL}",
        f"--initial-advertise-peer-urls={_PEER_URL}",
        f"--initial-cluster=hmlops={_PEER_URL}",
        f"--listen-metrics-urls=http://127.0.0.1:{ETCD_HEALTH_PORT}",
        f"--cert-file={pki / 'etcd.crt'}",
        f"--key-file={pki / 'etcd.key'}",
        "--client-cert-auth",
        f"--trusted-ca-file={pki / 'etcd-ca.crt'}",
        f"--peer-cert-file={pki / 'etcd.crt'}",
        f"--peer-key-file={pki / 'etcd.key'}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={pki / 'etcd-ca.crt'}",
        "--auto-compaction-retention=1h",
        "--log-level=warn",
    )


def apiserver(home: Home, binary: Path) -> tuple[str, ...]:
    """Return the command of kube-apiserver."""
    pki = home.pki
    return (
        str(binary),
        f"--etcd-servers={ETCD_URL}",
        f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'apiserver-etcd-client.crt'}",
        f"--etcd-keyfile={pki / 'apiserver-etcd-client.key'}",
        f"--bind-address={NODE_IP}",
        f"--advertise-address={NODE_IP}",
        f"--secure-port={API_PORT}",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--profiling=false",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        "--tls-min-version=VersionTLS12",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--service-account-issuer={API_URL}",
        f"--service-account-jwks-uri={API_URL}/openid/v1/jwks",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
        "--enable-aggregator-routing=true",
        f"--authentication-token-webhook-config-file={home.config / 'token-review.yaml'}",
        "--authentication-token-webhook-version=v1",
        # Short, so that changes of access entries take effect soon.
        "--authentication-token-webhook-cache-ttl=5s",
        f"--encryption-provider-config={pki / 'encryption.yaml'}",
        f"--audit-policy-file={home.config / 'audit-policy.yaml'}",
        f"--audit-log-path={home.logs / 'kubernetes-audit.log'}",
        "--audit-log-maxsize=20",
        "--audit-log-maxbackup=2",
    )


def controller_manager(home: Home, binary: Path) -> tuple[str, ...]:
    """Return the command of kube-controller-manager, with a separate ServiceAccount for each controller."""
    pki = home.pki
    own = pki / "kube-controller-manager.kubeconfig"
    return (
        str(binary),
        f"--kubeconfig={own}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        "--bind-address=127.0.0.1",
        f"--secure-port={CONTROLLER_PORT}",
        f"--tls-cert-file={pki / 'kube-controller-manager-serving.crt'}",
        f"--tls-private-key-file={pki / 'kube-controller-manager-serving.key'}",
        "--leader-elect=false",
        "--profiling=false",
        "--use-service-account-credentials=true",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={POD_CIDR}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--horizontal-pod-autoscaler-sync-period=10s",
    )


def scheduler(home: Home, binary: Path) -> tuple[str, ...]:
    """Return the command of kube-scheduler."""
    own = home.pki / "kube-scheduler.kubeconfig"
    return (
        str(binary),
        f"--kubeconfig={own}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        "--bind-address=127.0.0.1",
        f"--secure-port={SCHEDULER_PORT}",
        f"--tls-cert-file={home.pki / 'kube-scheduler-serving.crt'}",
        f"--tls-private-key-file={home.pki / 'kube-scheduler-serving.key'}",
        "--leader-elect=false",
        "--profiling=false",
    )

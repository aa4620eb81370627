"""PKI of the environment: one certificate per part, renewed before it expires."""

import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.paths import API_SERVICE_IP, API_URL, KEYCLOAK_HOST, NODE_IP, NODE_NAME, Home
from local.secret_file import write_secret

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

CA_LIFE = datetime.timedelta(days=3650)
LEAF_LIFE = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Identity:
    """Certificate identity of one part, and its CA.

    Parameters
    ----------
    name
        File name of the certificate and key.
    common_name, groups
        The Kubernetes user and its groups.
    authority
        ``ca``, ``etcd-ca`` or ``front-proxy-ca``: etcd and the aggregation layer trust
        separate CAs, so that no cluster certificate gives access to them.
    names
        DNS names and addresses; a server where not empty.
    kubeconfig
        Whether the part is a client of the API server.
    """

    name: str
    common_name: str
    groups: tuple[str, ...] = ()
    authority: str = "ca"
    names: tuple[str, ...] = ()
    kubeconfig: bool = False


AUTHORITIES = ("ca", "etcd-ca", "front-proxy-ca")
_HOST = ("localhost", "127.0.0.1", NODE_IP)
IDENTITIES = (
    Identity(
        "apiserver",
        "kube-apiserver",
        names=(
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            API_SERVICE_IP,
            *_HOST,
        ),
    ),
    Identity("keycloak", "keycloak", names=(KEYCLOAK_HOST, *_HOST)),
    Identity("apiserver-kubelet-client", "hmlops:apiserver-kubelet-client"),
    Identity("apiserver-etcd-client", "kube-apiserver", authority="etcd-ca"),
    Identity("etcd", "etcd", authority="etcd-ca", names=_HOST),
    Identity("front-proxy-client", "front-proxy-client", authority="front-proxy-ca"),
    Identity("kubelet-serving", NODE_NAME, names=(NODE_NAME, *_HOST)),
    Identity("admin", "hmlops:admin", groups=("system:masters",), kubeconfig=True),
    Identity("kube-controller-manager", "system:kube-controller-manager", kubeconfig=True),
    Identity("kube-scheduler", "system:kube-scheduler", kubeconfig=True),
    Identity("kube-controller-manager-serving", "kube-controller-manager", names=_HOST),
    Identity("kube-scheduler-serving", "kube-scheduler", names=_HOST),
    Identity("kube-proxy", "system:kube-proxy", kubeconfig=True),
    Identity("kubelet", f"system:node:{NODE_NAME}", groups=("system:nodes",), kubeconfig=True),
    Identity("netpol", "hmlops:netpol", kubeconfig=True),
    Identity("kserve", "hmlops:kserve", kubeconfig=True),
    Identity("cert-manager", "hmlops:cert-manager", kubeconfig=True),
    Identity("kserve-webhook", "kserve-webhook", names=_HOST),
    Identity("injector", "injector", names=_HOST),
    Identity("metrics-server", "hmlops:metrics-server", kubeconfig=True),
    Identity("metrics-server-serving", "metrics-server", names=("metrics-server.kube-system.svc", *_HOST)),
    Identity("health", "hmlops:health", kubeconfig=True),
    Identity("openbao", "openbao", names=_HOST),
    Identity("aws", "aws", names=_HOST),
    Identity("ehr", "ehr", names=_HOST),
    Identity("postgres", "postgres", names=_HOST),
)


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_key(path: Path) -> PrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError(f"{path} has a key of an unexpected type")
    return key


def _name(common_name: str, groups: Iterable[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, life: datetime.timedelta
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + life)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _authority(pki: Path, name: str) -> tuple[x509.Certificate, PrivateKey]:
    certificate, secret = pki / f"{name}.crt", pki / f"{name}.key"
    if not (certificate.exists() and secret.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(f"healthcare-mlops {name}")
        issued = (
            _builder(subject, subject, key, CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_secret(secret, _pem(key))
        write_secret(certificate, issued.public_bytes(serialization.Encoding.PEM))
    return x509.load_pem_x509_certificate(certificate.read_bytes()), _load_key(secret)


def _current(path: Path, identity: Identity, authority: x509.Certificate) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(authority)
    except Exception:  # a certificate that cannot be verified is issued again
        return False
    names: set[x509.GeneralName] = set()
    if identity.names:
        names = set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    return (
        certificate.not_valid_after_utc - RENEW_BEFORE > datetime.datetime.now(datetime.UTC)
        and certificate.subject == _name(identity.common_name, identity.groups)
        and names == {_general_name(name) for name in identity.names}
    )


def _issue(pki: Path, identity: Identity, authority: x509.Certificate, authority_key: PrivateKey) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    usage = ExtendedKeyUsageOID.SERVER_AUTH if identity.names else ExtendedKeyUsageOID.CLIENT_AUTH
    usages = [usage, ExtendedKeyUsageOID.CLIENT_AUTH] if identity.name == "etcd" else [usage]
    builder = (
        _builder(_name(identity.common_name, identity.groups), authority.subject, key, LEAF_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if identity.names:
        names = x509.SubjectAlternativeName([_general_name(name) for name in identity.names])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(authority_key, hashes.SHA256())
    write_secret(pki / f"{identity.name}.key", _pem(key))
    write_secret(pki / f"{identity.name}.crt", certificate.public_bytes(serialization.Encoding.PEM))


def kubeconfig(pki: Path, name: str) -> bytes:
    """Return a kubeconfig with the identity's client certificate."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "hmlops", "cluster": {"server": API_URL, "certificate-authority": str(pki / "ca.crt")}},
        ],
        "users": [
            {
                "name": name,
                "user": {"client-certificate": str(pki / f"{name}.crt"), "client-key": str(pki / f"{name}.key")},
            },
        ],
        "contexts": [{"name": "hmlops", "context": {"cluster": "hmlops", "user": name}}],
        "current-context": "hmlops",
    }
    return yaml.safe_dump(content).encode()


def _service_account_key(pki: Path) -> None:
    if (pki / "sa.key").exists() and (pki / "sa.pub").exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_secret(pki / "sa.pub", public)
    write_secret(pki / "sa.key", _pem(key))


def ensure(home: Home, *further: Identity) -> frozenset[str]:
    """Issue missing certificates and renew expiring ones; return the names of the changed identities.

    Parameters
    ----------
    home
        The environment.
    further
        Identities of parts that not every environment has.
    """
    pki = home.pki
    pki.mkdir(parents=True, exist_ok=True)
    pki.chmod(0o700)
    authorities = {name: _authority(pki, name) for name in AUTHORITIES}
    _service_account_key(pki)
    changed = set()
    for identity in (*IDENTITIES, *further):
        certificate, key = authorities[identity.authority]
        if not _current(pki / f"{identity.name}.crt", identity, certificate):
            _issue(pki, identity, certificate, key)
            changed.add(identity.name)
        if identity.kubeconfig:
            write_secret(pki / f"{identity.name}.kubeconfig", kubeconfig(pki, identity.name))
    write_secret(home.kubeconfig, kubeconfig(pki, "admin"))
    return frozenset(changed)

"""What one environment is: frozen values that the whole program reads, taken from the stack's configuration."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network

from infra.settings.tiers import Tier


class ClusterKind(StrEnum):
    """What the pods run on; it says nothing about how much the environment is protected."""

    LOCAL = "local"
    KIND = "kind"
    EKS = "eks"


class DataClass(StrEnum):
    """What a bucket holds, and so which key encrypts it and how long it is kept."""

    RAW = "raw"
    CURATED = "curated"
    MODELS = "models"
    AUDIT = "audit"
    IDENTITY = "identity"


class Autoscaler(StrEnum):
    """What adds nodes when pods wait, and takes them away when they are idle."""

    KARPENTER = "karpenter"
    CLUSTER_AUTOSCALER = "cluster-autoscaler"
    NONE = "none"


class Leaving(StrEnum):
    """How far a hospital's departure is.

    ``closed``: nothing works for it and nobody reaches its data but who hands it over. ``released``: what the law does
    not keep may be destroyed, which taking the entry out does.
    """

    CLOSED = "closed"
    RELEASED = "released"


@dataclass(frozen=True)
class Images:
    """Every image by digest, as the image lock file names them."""

    workloads: str
    model_server: str
    storage_initializer: str


@dataclass(frozen=True)
class Endpoint:
    """A server outside the cluster, and the network that it answers from."""

    url: str
    port: int
    network: str


@dataclass(frozen=True)
class Endpoints:
    """The servers that pods or Vault call; AWS and Kubernetes are None where the cluster brings them."""

    vault: Endpoint
    kubernetes: Endpoint | None
    aws: Endpoint | None


@dataclass(frozen=True)
class PeerNetwork:
    """Another VPC from which administrators and hospitals reach this one."""

    name: str
    vpc_id: str
    account: str
    network: str


@dataclass(frozen=True)
class Networks:
    """Address ranges; a VPC, with the networks that it is joined to, only where the stack declares one."""

    pods: IPv4Network
    services: IPv4Network
    vpc: IPv4Network | None
    peers: tuple[PeerNetwork, ...]


@dataclass(frozen=True)
class Options:
    """What an environment may do without, or in another way.

    Parameters
    ----------
    nat
        A NAT gateway in each zone; without it nodes reach the VPC's endpoints and peers, and nothing else.
    macie
        Macie looks for patients' data where none should be.
    autoscaler
        What adds nodes.
    """

    nat: bool
    macie: bool
    autoscaler: Autoscaler


@dataclass(frozen=True)
class Amount:
    """An amount of CPU (thousandths of a core) and memory (MiB)."""

    cpu: int
    memory: int

    def times(self, count: int) -> "Amount":
        """Return the amount for several of them."""
        return Amount(self.cpu * count, self.memory * count)

    def plus(self, other: "Amount") -> "Amount":
        """Return both together."""
        return Amount(self.cpu + other.cpu, self.memory + other.memory)

    @property
    def quantities(self) -> dict[str, str]:
        """The amount as Kubernetes writes it, in the form that the API server keeps."""
        cpu = f"{self.cpu}m" if self.cpu % 1000 else str(self.cpu // 1000)
        memory = f"{self.memory}Mi" if self.memory % 1024 else f"{self.memory // 1024}Gi"
        return {"cpu": cpu, "memory": memory}


@dataclass(frozen=True)
class Resources:
    """What a container asks for and the most that it gets."""

    requests: Amount
    limits: Amount


@dataclass(frozen=True)
class Sizes:
    """Container sizes of the environment."""

    model_server: Resources
    job: Resources


@dataclass(frozen=True)
class Fhir:
    """Where a hospital's records come from: its server and how it knows us, or a folder of bundles."""

    url: str | None
    path: str | None
    port: int
    auth: str | None
    client: str | None


@dataclass(frozen=True)
class Release:
    """A model release: the version that clients name and the digest of its content."""

    version: str
    digest: str

    def __str__(self) -> str:
        return f"{self.version}@{self.digest}"


@dataclass(frozen=True)
class Contact:
    """Whom to call, the agreement under which data is processed, and who gets notices within 24 hours."""

    security: str
    baa: str
    notify: str


@dataclass(frozen=True)
class Replicas:
    """The fewest and the most model servers."""

    least: int
    most: int


@dataclass(frozen=True)
class Hospital:
    """One hospital's entry."""

    name: str
    fhir: Fhir
    release: Release | None
    raw_days: int
    curated_days: int
    contact: Contact | None
    network: str | None
    replicas: Replicas
    model_server: Resources
    key_aliases: tuple[tuple[DataClass, str], ...] = ()
    applications: tuple[str, ...] = ()
    time_zone: str | None = None
    leaving: Leaving | None = None


@dataclass(frozen=True)
class Gateway:
    """Where hospitals' programs ask their models from outside of the cluster, and how they prove who they are.

    Which ones may is said by each hospital's entry: its ``applications``, by the claim ``client_id`` of their tokens.

    Parameters
    ----------
    domain
        Each hospital answers at a name of its own below it.
    issuer, audience
        What a token must say of who made it and for whom.
    jwks
        Where the issuer publishes its keys.
    requests_per_minute
        The most that a hospital's programs may ask.
    """

    domain: str
    issuer: str
    audience: str
    jwks: Endpoint
    requests_per_minute: int

    def host(self, hospital: str) -> str:
        """Return the name at which a hospital's gateway answers."""
        return f"{hospital}.{self.domain}"


@dataclass(frozen=True)
class VaultServer:
    """What of Vault depends on who runs it.

    Parameters
    ----------
    namespace
        The namespace of a managed Vault; None where the server is of one's own.
    audit_files
        Files in which the server records every request, each on its own disk; a managed Vault keeps them by itself.
    """

    namespace: str | None
    audit_files: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """One environment.

    Parameters
    ----------
    environment, tier, cluster
        Its name, how much it is protected, and what its pods run on.
    account, region, second_region
        The AWS account and where it is used; copies go to the second region.
    images
        Every image by digest.
    alarms
        The e-mail address that hears alarms.
    operators
        ARNs of principals that may read and write data besides the workloads; none in production.
    deployer
        ARN of who runs ``pulumi``, whom a declared cluster lets in.
    endpoints, networks, options, sizes
        Servers outside the cluster, address ranges, choices, and container sizes.
    gateway
        The way in for hospitals' programs; None where nothing from outside may ask.
    vault
        Who runs Vault.
    hospitals
        One entry a hospital.
    """

    environment: str
    tier: Tier
    cluster: ClusterKind
    account: str
    region: str
    second_region: str
    images: Images
    alarms: str
    operators: tuple[str, ...]
    deployer: str
    endpoints: Endpoints
    networks: Networks
    options: Options
    sizes: Sizes
    gateway: Gateway | None
    vault: VaultServer
    hospitals: tuple[Hospital, ...]

    @property
    def working(self) -> tuple[Hospital, ...]:
        """The hospitals that are not leaving."""
        return tuple(hospital for hospital in self.hospitals if hospital.leaving is None)

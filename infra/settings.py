"""What one environment is: frozen values that the whole program reads, taken from the stack's configuration."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network


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
class Networks:
    """Address ranges; a VPC only where the stack declares one."""

    pods: IPv4Network
    services: IPv4Network
    vpc: IPv4Network | None


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
    """Whom to call, and the agreement under which the hospital's data is processed."""

    security: str
    baa: str


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


@dataclass(frozen=True)
class Settings:
    """One environment."""

    environment: str
    cluster: ClusterKind
    region: str
    images: Images
    protect_data: bool
    gates_profile: str
    endpoints: Endpoints
    networks: Networks
    sizes: Sizes
    hospitals: tuple[Hospital, ...]

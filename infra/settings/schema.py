"""The shape of the stack's configuration: what may be written there, and the sentence for what may not."""

from ipaddress import IPv4Address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from infra.settings.fields import (
    Account,
    Cpu,
    DomainName,
    Email,
    EnvironmentName,
    HospitalName,
    KeyAlias,
    Memory,
    Network,
    PrincipalArn,
    Region,
    ReleaseText,
    Retention,
    Text,
    TimeZone,
    Url,
    matching,
    mebibytes,
    millicores,
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True)


class EndpointConfig(_Section):
    """A server outside the cluster."""

    url: Url
    network: Network | None = None

    @model_validator(mode="after")
    def _has_network(self) -> "EndpointConfig":
        host = urlsplit(self.url).hostname or ""
        if self.network is None and not _is_address(host):
            raise ValueError(f"has no network for the host {host}; add network, the range that it answers from")
        return self


class EndpointsConfig(_Section):
    """The servers that pods or Vault call."""

    vault: EndpointConfig
    kubernetes: EndpointConfig | None = None
    aws: EndpointConfig | None = None


class PeerConfig(_Section):
    """Another VPC that is joined to this one."""

    name: HospitalName
    vpc: Annotated[str, matching(r"vpc-[0-9a-f]{8,17}", "write the id of a VPC, such as vpc-0a1b2c3d")]
    account: Account
    network: Network


class NetworksConfig(_Section):
    """Address ranges of the cluster."""

    pods: Network
    services: Network
    vpc: Network | None = None
    peers: tuple[PeerConfig, ...] = ()


class OptionsConfig(_Section):
    """What an environment may do without, or in another way."""

    nat: bool = False
    macie: bool = True
    autoscaler: Literal["karpenter", "cluster-autoscaler", "none"] = "karpenter"


class AmountConfig(_Section):
    """CPU and memory."""

    cpu: Cpu
    memory: Memory


class ResourcesConfig(_Section):
    """Requests and limits of a container."""

    requests: AmountConfig
    limits: AmountConfig

    @model_validator(mode="after")
    def _fits(self) -> "ResourcesConfig":
        if millicores(self.requests.cpu) > millicores(self.limits.cpu):
            raise ValueError(f"requests {self.requests.cpu} CPU but is limited to {self.limits.cpu}; raise the limit")
        if mebibytes(self.requests.memory) > mebibytes(self.limits.memory):
            raise ValueError(f"requests {self.requests.memory} but is limited to {self.limits.memory}; raise the limit")
        return self


class SizesConfig(_Section):
    """Container sizes."""

    model_server: ResourcesConfig
    job: ResourcesConfig


class FhirConfig(_Section):
    """Where a hospital's records come from."""

    url: Url | None = None
    path: Text | None = None
    auth: Literal["smart-backend-services", "client-secret", "mutual-tls", "none"] | None = None
    client: Text | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "FhirConfig":
        if (self.url is None) == (self.path is None):
            raise ValueError("needs one of url (a FHIR server) and path (a folder of bundles); give exactly one")
        if self.url is None and (self.auth or self.client):
            raise ValueError("has auth or client, which only a url needs; remove them")
        if self.url and self.auth is None:
            raise ValueError("has a url without auth; add the way in which its server knows us, or none")
        if (self.auth in ("smart-backend-services", "client-secret")) != (self.client is not None):
            raise ValueError(f"has auth {self.auth}; give client with smart-backend-services and client-secret alone")
        return self


class RetentionConfig(_Section):
    """How long data is kept."""

    raw: Retention = "30d"
    curated: Retention = "6y"


class ContactConfig(_Section):
    """Whom to call, and the business associate agreement."""

    security: Email
    baa: Text
    notify: Email | None = None


class ReplicasConfig(_Section):
    """The fewest and the most model servers."""

    min: Annotated[int, Field(ge=1, le=50)] = 1
    max: Annotated[int, Field(ge=1, le=50)] = 2

    @model_validator(mode="after")
    def _ordered(self) -> "ReplicasConfig":
        if self.min > self.max:
            raise ValueError(f"has min {self.min} above max {self.max}; swap them")
        return self


class HospitalConfig(_Section):
    """One hospital."""

    name: HospitalName
    fhir: FhirConfig
    release: ReleaseText | None = None
    retention: RetentionConfig = RetentionConfig()
    contact: ContactConfig | None = None
    network: Network | None = None
    replicas: ReplicasConfig = ReplicasConfig()
    resources: ResourcesConfig | None = None
    applications: tuple[Text, ...] = ()
    time_zone: TimeZone | None = None
    leaving: Literal["closed", "released"] | None = None
    keys: dict[Literal["raw", "curated", "models", "audit", "identity"], KeyAlias] = Field(default_factory=dict)


class GatewayConfig(_Section):
    """The way in for hospitals' programs."""

    domain: DomainName
    issuer: Url
    jwks_uri: Url
    network: Network
    audience: Text
    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 600


class VaultConfig(_Section):
    """Who runs Vault."""

    namespace: Text | None = None
    audit_files: Annotated[tuple[Text, ...], Field(max_length=3)] = ()

    @model_validator(mode="after")
    def _recorded(self) -> "VaultConfig":
        if self.namespace and self.audit_files:
            raise ValueError("has namespace and auditFiles, but a managed Vault keeps its own records; remove one")
        if not self.namespace and len(set(self.audit_files)) < 2:
            raise ValueError("needs two different auditFiles; when one cannot be written, the other still records")
        return self


class StackConfig(_Section):
    """Everything under the project's namespace in a stack's file."""

    environment: EnvironmentName = Field(
        description="Name of the environment; part of every bucket, key and role, so small letters and digits only."
    )
    tier: Literal["development", "production"] = Field(
        description="development (synthetic data) or production; tiers.yaml says what differs and why."
    )
    cluster: Literal["local", "kind", "eks"] = Field(
        "local",
        description="What the pods run on: local (started by this project), kind (Docker) or eks (the stack's own).",
    )
    account: Account = Field(
        description="The AWS account, twelve digits in quotes; the stack refuses to work in another one."
    )
    region: Region = Field("us-east-1", description="AWS region of keys, buckets and roles.")
    second_region: Region = Field(description="The region that copies of patients' data and of backups go to.")
    image_lock: Text = Field(
        "build/images.json", description="File that names every image by digest; `make images` writes it."
    )
    alarms: Email = Field(description="E-mail address that hears the alarms of the account and of the service.")
    operators: tuple[PrincipalArn, ...] = Field(
        (),
        description="ARNs of IAM roles or users that may read and write hospitals' data besides the workloads; "
        "tier development only.",
    )
    deployer: PrincipalArn = Field(
        description="ARN of the IAM role or user that runs pulumi; on eks the cluster lets it in, as it does nobody "
        "unnamed."
    )
    endpoints: EndpointsConfig = Field(
        description="Servers outside the cluster, each with url and, where the host is a name, the network that it "
        "answers from: kubernetes (API server and token issuer), vault, aws. On eks only vault is given."
    )
    networks: NetworksConfig = Field(
        NetworksConfig(pods="10.245.0.0/16", services="10.97.0.0/16"),
        description="Address ranges of pods, services and (eks) the vpc with its peers (name, vpc, account, network); "
        "hospital networks must not overlap them.",
    )
    options: OptionsConfig = Field(
        OptionsConfig(),
        description="What an environment may do without, or in another way: nat (NAT gateways), macie, autoscaler "
        "(karpenter, cluster-autoscaler or none).",
    )
    sizes: SizesConfig = Field(
        description="Requests and limits of the modelServer container and of a job's containers (job)."
    )
    gateway: GatewayConfig | None = Field(
        None,
        description="The way in for hospitals' programs: domain, issuer, jwksUri and its network, audience and "
        "requestsPerMinute. Without it nothing from outside of the cluster asks a model.",
    )
    vault: VaultConfig = Field(
        description="Who runs Vault: auditFiles, two files on two disks that its server writes, or namespace, of a "
        "managed Vault."
    )
    hospitals: tuple[HospitalConfig, ...] = Field(
        description="One entry a hospital: name, fhir (url or path), and optionally release, retention, contact, "
        "network, replicas, resources, keys (aliases by data class). Adding, changing or removing an entry is all "
        "that onboarding and off-boarding touch. What the engine's overlay says of a hospital by its name, such as "
        "the release that it serves, is a part of its entry."
    )

    @field_validator("gateway", mode="before")
    @classmethod
    def _may_be_none(cls, given: object) -> object:
        return given or None

    @model_validator(mode="after")
    def _reachable(self) -> "StackConfig":
        if self.gateway is None:
            return self
        if self.cluster != "eks":
            raise ValueError(f"gateway needs cluster: eks, where its controller is installed, not {self.cluster}")
        for hospital in self.hospitals:
            if not (hospital.network and hospital.applications):
                raise ValueError(
                    f"hospital {hospital.name} needs network and applications, as its programs come in by the gateway"
                )
        return self


ImageText = Annotated[
    str, matching(r"[a-z0-9.:/_-]+@sha256:[0-9a-f]{64}", "name it by digest, name@sha256:…, as `make images` does")
]


class ImageLock(BaseModel):
    """The file that names every image by digest; it may name more than the stack uses."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    workloads: ImageText
    model_server: ImageText
    storage_initializer: ImageText


def _is_address(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True

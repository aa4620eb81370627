"""Read the stack's configuration, refuse what cannot work, and return frozen settings."""

import json
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pulumi
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from infra.settings import fields
from infra.settings import schema as shape
from infra.settings.errors import SettingsError
from infra.settings.layers import Layers, layers
from infra.settings.tiers import tier
from infra.settings.validation import faults_of
from infra.settings.values import (
    Amount,
    Autoscaler,
    ClusterKind,
    Contact,
    DataClass,
    Endpoint,
    Endpoints,
    Fhir,
    Gateway,
    Hospital,
    Images,
    Leaving,
    Networks,
    Options,
    PeerNetwork,
    Release,
    Replicas,
    Resources,
    Settings,
    Sizes,
    VaultServer,
)

Shape = TypeVar("Shape", bound=BaseModel)

_PLAIN = ("environment", "tier", "cluster", "account", "region", "secondRegion", "imageLock", "alarms", "deployer")


def load(root: Path) -> Settings:
    """Read the settings of the current stack.

    Parameters
    ----------
    root
        The project's folder, against which the image lock file is named.

    Raises
    ------
    SettingsError
        One sentence for each fault, each with the place and the mend.
    """
    config = pulumi.Config()
    return settings_of(layers(root, stack=pulumi.get_stack(), project=config.name, engine=_engine(config)), root=root)


def settings_from(written: Mapping[str, Any], *, where: str, root: Path) -> Settings:
    """Check settings that all come from one file, ``where``, and return what they mean."""
    return settings_of(Layers(written, where), root=root)


def settings_of(written: Layers, *, root: Path) -> Settings:
    """Check what is written and return the settings that it means.

    Raises
    ------
    SettingsError
        One sentence for each fault, each with the place and the mend.
    """
    config = _parse(shape.StackConfig, written)
    faults = list(faults_of(config))
    if faults:
        raise SettingsError("\n".join(f"{written.file}: {fault}." for fault in faults))
    return _settings(config, _images(root, config.image_lock))


def _engine(config: pulumi.Config) -> dict[str, Any]:
    prefix = f"{config.name}:"
    values: dict[str, Any] = {}
    for full in pulumi.runtime.config.CONFIG.get():
        if not full.startswith(prefix):
            continue
        key = full.removeprefix(prefix)
        text = config.require(key)
        try:
            values[key] = text if key in _PLAIN else json.loads(text)
        except ValueError:
            values[key] = text
    return values


def _parse(model: type[Shape], written: Layers) -> Shape:
    try:
        return model.model_validate(written.values)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise SettingsError("\n".join(f"{_sentence(fault, written)}." for fault in faults)) from None


def _sentence(fault: ErrorDetails, written: Layers) -> str:
    place = written.place(fault["loc"])
    match fault["type"]:
        case "extra_forbidden":
            return f"{place} is no setting; correct its name or remove it"
        case "missing":
            return f"{place} is missing; add it (infra/settings/schema.py describes it)"
        case "value_error":
            return f"{place} {fault['ctx']['error']}"
        case _:
            return f"{place} cannot be used: {fault['msg'][0].lower()}{fault['msg'][1:]}; correct it"


def _images(root: Path, name: str) -> Images:
    try:
        named = json.loads((root / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"The image lock file {name} does not exist; run `make images` to build the images."
        ) from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"The image lock file {name} cannot be read ({error}); run `make images` again.") from None
    lock = _parse(shape.ImageLock, Layers(named, name))
    return Images(lock.workloads, lock.model_server, lock.storage_initializer)


def _settings(config: shape.StackConfig, images: Images) -> Settings:
    sizes = Sizes(model_server=_resources(config.sizes.model_server), job=_resources(config.sizes.job))
    return Settings(
        environment=config.environment,
        tier=tier(config.tier),
        cluster=ClusterKind(config.cluster),
        account=config.account,
        region=config.region,
        second_region=config.second_region,
        images=images,
        alarms=config.alarms,
        operators=config.operators,
        deployer=config.deployer,
        endpoints=Endpoints(
            vault=_endpoint(config.endpoints.vault),
            kubernetes=_endpoint(config.endpoints.kubernetes) if config.endpoints.kubernetes else None,
            aws=_endpoint(config.endpoints.aws) if config.endpoints.aws else None,
        ),
        networks=Networks(
            pods=IPv4Network(config.networks.pods),
            services=IPv4Network(config.networks.services),
            vpc=IPv4Network(config.networks.vpc) if config.networks.vpc else None,
            peers=tuple(PeerNetwork(p.name, p.vpc, p.account, p.network) for p in config.networks.peers),
        ),
        options=Options(config.options.nat, config.options.macie, Autoscaler(config.options.autoscaler)),
        sizes=sizes,
        gateway=_gateway(config.gateway) if config.gateway else None,
        vault=VaultServer(config.vault.namespace, config.vault.audit_files),
        hospitals=tuple(_hospital(entry, sizes) for entry in config.hospitals),
    )


def _hospital(entry: shape.HospitalConfig, sizes: Sizes) -> Hospital:
    version, _, digest = (entry.release or "").partition("@")
    return Hospital(
        name=entry.name,
        fhir=_fhir(entry.fhir),
        release=Release(version, digest) if entry.release else None,
        raw_days=fields.days(entry.retention.raw),
        curated_days=fields.days(entry.retention.curated),
        contact=_contact(entry.contact) if entry.contact else None,
        network=entry.network,
        replicas=Replicas(entry.replicas.min, entry.replicas.max),
        model_server=_resources(entry.resources) if entry.resources else sizes.model_server,
        applications=entry.applications,
        time_zone=entry.time_zone,
        leaving=Leaving(entry.leaving) if entry.leaving else None,
        key_aliases=tuple((DataClass(data), alias) for data, alias in sorted(entry.keys.items())),
    )


def _gateway(given: shape.GatewayConfig) -> Gateway:
    return Gateway(
        domain=given.domain,
        issuer=given.issuer,
        audience=given.audience,
        jwks=Endpoint(given.jwks_uri, _port(given.jwks_uri), given.network),
        requests_per_minute=given.requests_per_minute,
    )


def _contact(given: shape.ContactConfig) -> Contact:
    return Contact(given.security, given.baa, given.notify or given.security)


def _fhir(given: shape.FhirConfig) -> Fhir:
    return Fhir(url=given.url, path=given.path, port=_port(given.url or ""), auth=given.auth, client=given.client)


def _endpoint(given: shape.EndpointConfig) -> Endpoint:
    host = urlsplit(given.url).hostname
    return Endpoint(url=given.url, port=_port(given.url), network=given.network or f"{host}/32")


def _port(url: str) -> int:
    return urlsplit(url).port or 443


def _resources(given: shape.ResourcesConfig) -> Resources:
    return Resources(requests=_amount(given.requests), limits=_amount(given.limits))


def _amount(given: shape.AmountConfig) -> Amount:
    return Amount(cpu=fields.millicores(given.cpu), memory=fields.mebibytes(given.memory))

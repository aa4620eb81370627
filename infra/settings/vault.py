"""Who runs Vault, and the audit devices in the configuration of a self-managed server."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings.fields import Section, Text


class AuditDevice(Section):
    """Audit device in the configuration of the Vault server, which creates it; the stack does not."""

    name: Text = Field(description="Name of the device, the path below `sys/audit`.")
    type: Literal["file", "socket", "syslog"] = Field("file", description="Type of the device.")
    options: Mapping[Text, Text] = Field(description="Options as in the server's configuration, such as `file_path`.")


class VaultServer(Section):
    """Vault server: self-managed with two audit devices, or managed with a namespace."""

    namespace: Text | None = Field(None, description="Namespace of a managed Vault, which keeps its own audit log.")
    audit_devices: Annotated[tuple[AuditDevice, ...], Field(max_length=8)] = Field(
        (), description="All audit devices of a self-managed Vault: at least two, each on a disk of its own."
    )

    @model_validator(mode="after")
    def _audited(self) -> Self:
        if self.namespace and self.audit_devices:
            raise ValueError("has namespace and auditDevices, but a managed Vault keeps its own audit log; remove one")
        if not self.namespace and len({device.name for device in self.audit_devices}) < 2:
            raise ValueError("needs two auditDevices with different names; when one fails, the other still records")
        return self

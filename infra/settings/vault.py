"""Who runs Vault: the stack's owner, or HashiCorp."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from infra.settings.fields import Text
from infra.settings.section import Section


class VaultServer(Section):
    """Vault server: self-managed with two audit files, or managed with a namespace."""

    namespace: Text | None = Field(None, description="Namespace of a managed Vault, which keeps its own audit log.")
    audit_files: Annotated[tuple[Text, ...], Field(max_length=3)] = Field(
        (), description="Audit files of a self-managed Vault: at least two, each on a disk of its own."
    )

    @model_validator(mode="after")
    def _audited(self) -> Self:
        if self.namespace and self.audit_files:
            raise ValueError("has namespace and auditFiles, but a managed Vault keeps its own audit log; remove one")
        if not self.namespace and len(set(self.audit_files)) < 2:
            raise ValueError("needs two different auditFiles; when one cannot be written, the other still records")
        return self

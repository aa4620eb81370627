"""Principals: ServiceAccounts, AWS services, people and other callers that hold permissions."""

from dataclasses import dataclass

AWS_PRINCIPAL = "AWS principal"
AWS_SERVICE = "AWS service"
SERVICE_ACCOUNT = "ServiceAccount"
PEOPLE = "people"
TOKEN_SUBJECT = "token subject"
ANOTHER_ACCOUNT = "another account"


@dataclass(frozen=True, order=True)
class Principal:
    """A caller: its kind (``ServiceAccount``, ``AWS service``, ``people`` …) and its name."""

    kind: str
    name: str

    @property
    def label(self) -> str:
        """The text for a reader."""
        return f"{self.kind} {self.name}"

    @property
    def namespace(self) -> str:
        """The namespace of a ServiceAccount; empty for others."""
        return self.name.partition("/")[0] if self.kind == SERVICE_ACCOUNT else ""


NOBODY = Principal("no principal", "of this stack")
ANYONE = Principal("anyone", "(Principal: *)")
OTHERS = Principal("another principal", "of the account")
"""A principal of the account that the stack does not declare, whatever its own policies allow."""
UNKNOWN_TRUST = Principal("unknown", "(the trust policy is not in the state)")

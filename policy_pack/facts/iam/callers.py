"""Callers of AWS: principals with the condition keys of their requests, of the stack and outside it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from policy_pack.facts.iam.conditions import OTHER_NAMES, Context
from policy_pack.facts.iam.documents import Statement
from policy_pack.facts.iam.policies import PolicyStatement
from policy_pack.stack.graph import Graph
from policy_pack.stack.kinds import ROLE
from policy_pack.stack.text import known_text
from policy_pack.stack.values import View

FOREIGN_ACCOUNT = "000000000000"
"""The account of a principal of another account that no policy names; AWS assigns it to nobody."""
_ALL = Statement(True, ("*",), ("*",), frozenset(), (), ())
ALL_PERMISSIONS = (PolicyStatement(_ALL, "whatever its own policies allow"),)


@dataclass(frozen=True)
class Caller:
    """The principal of a request.

    Parameters
    ----------
    arn, account
        Its ARN and its account; empty for an anonymous one and for services.
    context
        The condition keys of all its requests.
    service
        The name of a service principal.
    canonical
        The canonical user id by which S3 names an account.
    """

    arn: str
    account: str
    context: Context
    service: str = ""
    canonical: str = ""

    def with_context(self, keys: Context) -> "Caller":
        """Return the caller with more condition keys."""
        return replace(self, context={**self.context, **keys})

    @property
    def names(self) -> frozenset[str]:
        """The values of a Principal element that name the caller itself."""
        return frozenset({self.arn, self.service, self.canonical}) - {""}

    @property
    def account_names(self) -> frozenset[str]:
        """The values of a Principal element that name its account."""
        return frozenset({self.account, f"arn:aws:iam::{self.account}:root"}) if self.account else frozenset()


def caller(arn: str, tags: View | None = None) -> Caller:
    """Return the caller of an ARN, or of an account id.

    Parameters
    ----------
    arn
        The ARN, or the account id.
    tags
        All tags that the principal has; None where it may have others.
    """
    account = account_of(arn)
    context: dict[str, str | None] = {"aws:securetransport": "true"}
    if tags is not None and tags.known:
        values = tags.raw if isinstance(tags.raw, Mapping) else {}
        context |= {f"aws:principaltag/{key}".lower(): value for key, value in values.items() if isinstance(value, str)}
        if all(isinstance(value, str) for value in values.values()):
            context[f"aws:principaltag/{OTHER_NAMES}"] = None
    if account:
        own = {"aws:principalaccount": account, "aws:principalisawsservice": "false", "kms:calleraccount": account}
        context |= own | {"aws:principalservicename": None}
        if not arn.endswith(":root") and not arn.isdigit():
            context["aws:principalarn"] = arn
    return Caller(arn, account, context)


def anonymous() -> Caller:
    """Return the caller of a request without credentials."""
    absent = ("principalaccount", "principalarn", "principalorgid", "principalorgpaths", "userid", "username")
    context: dict[str, str | None] = {
        f"aws:{name}": None for name in (*absent, "principalservicename", "tokenissuetime")
    }
    return Caller("", "", context | {"aws:principalisawsservice": "false", "kms:calleraccount": None})


def service(name: str, account: str) -> Caller:
    """Return the caller of an AWS service that acts for an account."""
    context = {"aws:principalisawsservice": "true", "aws:principalservicename": name, "aws:sourceaccount": account}
    return Caller("", "", {"aws:securetransport": "true", "aws:principalarn": None, **context}, service=name)


def account_of(principal: str) -> str:
    """Return the account of an ARN, or of an account id; empty for anything else."""
    parts = principal.split(":")
    return parts[4] if len(parts) > 4 else principal if principal.isdigit() else ""


def own_account(graph: Graph) -> str:
    """Return the account of a stack, of most of its roles, computed once; empty where no ARN is known."""
    account: str = graph.memo("own account", _own_account)
    return account


def _own_account(graph: Graph) -> str:
    accounts = Counter(account_of(known_text(role.at("arn"))) for role in graph.of(ROLE))
    accounts.pop("", None)
    return accounts.most_common(1)[0][0] if accounts else ""

"""Which roles people take, and which pods."""

from policy_pack.facts.iam.statements import Statement, statements
from policy_pack.stack.values import View


def taken_by_people(trust: View) -> bool:
    """Return whether a role's trust policy lets people take it: accounts, users, roles of single sign-on."""
    return any(person(statement) for statement in statements(trust))


def person(statement: Statement) -> bool:
    """Return whether a statement of a trust policy lets people in."""
    if not statement.allows:
        return False
    saml = statement.covers("sts:AssumeRoleWithSAML")
    return saml or (statement.covers("sts:AssumeRole") and any(kind == "AWS" for kind, _ in statement.principals))


def account_of(trust: View) -> tuple[str, str] | None:
    """Return (namespace, name) of the ServiceAccount that a role's trust policy names."""
    for statement in statements(trust):
        for _, values in statement.tests(":sub"):
            for value in values:
                parts = value.split(":")
                if statement.allows and parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
                    return parts[2], parts[3]
    return None

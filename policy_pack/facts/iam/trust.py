"""Trust policies of IAM roles as the controls read them: people, web identities, Pod Identity, ServiceAccounts."""

from policy_pack.facts.iam.documents import Statement, statements
from policy_pack.stack.values import NotKnownError, View

POD_IDENTITY = ("Service", "pods.eks.amazonaws.com")
_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
_SAML = "sts:AssumeRoleWithSAML"


def allows_people(statement: Statement) -> bool:
    """Return whether a statement of a trust policy allows people: accounts, users, or single sign-on by SAML."""
    if not statement.allows:
        return False
    by_account = statement.covers("sts:AssumeRole") and any(kind == "AWS" for kind, _ in statement.principals)
    return statement.covers(_SAML) or by_account


def is_single_sign_on(statement: Statement) -> bool:
    """Return whether a statement allows SAML single sign-on alone, where the identity provider requires MFA."""
    return statement.covers(_SAML) and not statement.covers("sts:AssumeRole")


def is_web_identity(statement: Statement) -> bool:
    """Return whether a statement allows tokens of an OIDC provider."""
    return statement.covers(_WEB_IDENTITY) and any(kind == "Federated" for kind, _ in statement.principals)


def accepts_session_tags(trust_policy: View) -> bool:
    """Return whether who assumes a role can give its session tags of their own, which replace those of the role.

    EKS Pod Identity sets tags of its own names only. A trust policy that cannot be read counts as one that accepts any.
    """
    try:
        trusted = statements(trust_policy)
    except (NotKnownError, ValueError, AttributeError, TypeError):
        return True
    return any(
        one.allows and one.covers("sts:TagSession") and (set(one.principals) != {POD_IDENTITY} or one.negated)
        for one in trusted
    )


def is_assumed_by_people(trust_policy: View) -> bool:
    """Return whether people can assume the role of a trust policy."""
    return any(allows_people(statement) for statement in statements(trust_policy))


def service_account(trust_policy: View) -> tuple[str, str] | None:
    """Return (namespace, name) of the ServiceAccount in the ``sub`` condition of a trust policy."""
    for statement in statements(trust_policy):
        for _, values in statement.conditions_on(":sub"):
            for subject in values:
                account = subject_account(subject)
                if statement.allows and account:
                    return account
    return None


def subject_account(subject: str) -> tuple[str, str] | None:
    """Return (namespace, name) of the ServiceAccount of a token's subject; None for another subject."""
    parts = subject.split(":")
    return (parts[2], parts[3]) if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4 else None

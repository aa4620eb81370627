"""STS operations: AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from local.aws_emulator.access.authority import Authority, Caller
from local.aws_emulator.access.policies import Ask, Principal, Verdict, judge
from local.aws_emulator.access.sessions import Credentials, Session
from local.aws_emulator.messages import ACCOUNT, Answer, AwsError

_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}")
_PEM: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True)
class Issuer:
    """OIDC identity provider whose tokens can be verified: its URL and the file with its public keys."""

    url: str
    keys: Path

    @property
    def host(self) -> str:
        """Issuer as used by IAM, without the scheme."""
        parts = urlsplit(self.url)
        return parts.netloc + parts.path.rstrip("/")

    def claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token, without checking its audience.

        Raises
        ------
        AwsError
            When the token is not this issuer's, or no longer valid.
        """
        pems = _PEM.findall(self.keys.read_bytes())
        if not pems:
            raise AwsError("InvalidIdentityToken", f"No public key in {self.keys.name}", 400)
        for pem in pems:
            key: Any = load_pem_public_key(pem)
            try:
                return dict(
                    jwt.decode(
                        token,
                        key,
                        algorithms=["RS256", "ES256"],
                        issuer=self.url,
                        options={"verify_aud": False, "require": ["exp", "iss", "sub", "aud"]},
                    )
                )
            except jwt.ExpiredSignatureError:
                raise AwsError("ExpiredTokenException", "The web identity token has expired", 400) from None
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidIssuerError:
                raise AwsError(
                    "InvalidIdentityToken",
                    "No OpenIDConnect provider found in your account for the token's issuer",
                    400,
                ) from None
            except jwt.InvalidTokenError:
                break
        raise AwsError("InvalidIdentityToken", "The ID Token could not be verified", 400)


@dataclass(frozen=True)
class TokenService:
    """STS service of the emulator; call while holding moto's lock."""

    authority: Authority
    issuer: Issuer

    def assume_with_web_identity(self, form: Mapping[str, str]) -> Answer:
        """Answer ``AssumeRoleWithWebIdentity``."""
        arn, name = _role_and_session(form)
        claims = self.issuer.claims(form.get("WebIdentityToken", ""))
        provider = self.authority.state.oidc_clients(self.issuer.host)
        if provider is None:
            message = f"No OpenIDConnect provider found in your account for {self.issuer.url}"
            raise AwsError("InvalidIdentityToken", message, 400)
        audiences = [claims["aud"]] if isinstance(claims["aud"], str) else list(claims["aud"])
        accepted = [audience for audience in audiences if audience in provider[1]]
        if not accepted:
            raise AwsError("InvalidIdentityToken", "Incorrect token audience", 400)
        context = {
            f"{self.issuer.host}:sub".lower(): (str(claims["sub"]),),
            f"{self.issuer.host}:aud".lower(): tuple(accepted),
            "aws:federatedprovider": (provider[0],),
            "sts:rolesessionname": (name,),
        }
        principal = Principal(provider[0], "", frozenset(), federated=provider[0])
        ask = Ask("sts:AssumeRoleWithWebIdentity", arn, context)
        self._require_trust(arn, ask, principal, "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        session = Session(arn, name, _limits(form), str(claims["sub"]))
        extra = (
            f"<SubjectFromWebIdentityToken>{escape(session.subject)}</SubjectFromWebIdentityToken>"
            f"<Audience>{escape(accepted[0])}</Audience><Provider>{escape(provider[0])}</Provider>"
        )
        return self._issue("AssumeRoleWithWebIdentity", session, form, extra)

    def assume(self, caller: Caller, form: Mapping[str, str]) -> Answer:
        """Answer ``AssumeRole``."""
        arn, name = _role_and_session(form)
        ask = Ask("sts:AssumeRole", arn, {"sts:rolesessionname": (name,)})
        refusal = f"User: {caller.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        policies = (*caller.policies, *caller.boundary, *caller.session_limits)
        if not policies or any(judge(document, ask) is Verdict.DENY for document in policies):
            raise AwsError("AccessDenied", refusal)
        groups = [caller.policies, caller.boundary, caller.session_limits]
        if not all(any(judge(d, ask) is Verdict.ALLOW for d in group) for group in groups if group):
            raise AwsError("AccessDenied", refusal)
        self._require_trust(arn, ask, caller.principal, refusal)
        seconds = form.get("DurationSeconds", "3600")
        if ":assumed-role/" in caller.principal.arn and seconds.isdigit() and int(seconds) > 3600:
            reason = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            raise AwsError("ValidationError", reason, 400)
        return self._issue("AssumeRole", Session(arn, name, _limits(form)), form, "")

    def identity(self, caller: Caller) -> Answer:
        """Answer ``GetCallerIdentity``."""
        return _answer(
            "GetCallerIdentity",
            f"<Arn>{escape(caller.principal.arn)}</Arn><UserId>{escape(caller.identity)}</UserId>"
            f"<Account>{ACCOUNT}</Account>",
        )

    def _require_trust(self, arn: str, ask: Ask, principal: Principal, refusal: str) -> None:
        role = self.authority.state.role(arn)
        if role is None or judge(role[0], ask, principal) is not Verdict.ALLOW:
            raise AwsError("AccessDenied", refusal)

    def _issue(self, operation: str, session: Session, form: Mapping[str, str], extra: str) -> Answer:
        seconds = form.get("DurationSeconds", "3600")
        if not seconds.isdigit() or not 900 <= int(seconds) <= 43200:
            raise AwsError("ValidationError", "DurationSeconds must be between 900 and 43200", 400)
        if int(seconds) > self.authority.state.longest_session(session.role):
            reason = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            raise AwsError("ValidationError", reason, 400)
        issued = self.authority.sessions.issue(session, int(seconds))
        role = self.authority.state.role(session.role)
        identity = f"{role[1] if role else ''}:{session.name}"
        user = f"<AssumedRoleUser><Arn>{escape(session.arn)}</Arn><AssumedRoleId>{escape(identity)}</AssumedRoleId>"
        return _answer(operation, f"{_credentials(issued)}{user}</AssumedRoleUser>{extra}")


def _role_and_session(form: Mapping[str, str]) -> tuple[str, str]:
    name = form.get("RoleSessionName", "")
    if not _NAME.fullmatch(name):
        raise AwsError("ValidationError", "RoleSessionName must be 2 to 64 of letters, digits and +=,.@-_", 400)
    if any(field.startswith("PolicyArns") for field in form):
        raise AwsError("ValidationError", "PolicyArns is not emulated; give the session policy as Policy", 400)
    return form.get("RoleArn", ""), name


def _limits(form: Mapping[str, str]) -> tuple[str, ...]:
    return (form["Policy"],) if form.get("Policy") else ()


def _credentials(issued: Credentials) -> str:
    return (
        f"<Credentials><AccessKeyId>{issued.access_key}</AccessKeyId><SecretAccessKey>{issued.secret_key}</SecretAccessKey>"
        f"<SessionToken>{issued.token}</SessionToken><Expiration>{issued.expires:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
    )


def _answer(operation: str, inner: str) -> Answer:
    body = (
        f'<{operation}Response xmlns="{_NAMESPACE}"><{operation}Result>{inner}</{operation}Result>'
        f"<ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata>"
        f"</{operation}Response>"
    )
    return Answer(200, (("Content-Type", "text/xml"),), body.encode())

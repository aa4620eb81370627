"""IAM authorisation of requests: identity, resource and session policies, and permissions boundaries."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from local.aws_emulator import operations
from local.aws_emulator.access import s3_actions
from local.aws_emulator.access.policies import Ask, Principal, Verdict, combine, judge
from local.aws_emulator.access.sessions import Sessions
from local.aws_emulator.access.signatures import Signed
from local.aws_emulator.messages import ACCOUNT, AwsError, Request
from local.aws_emulator.state import Encryption, State

_KMS_WITHOUT_KEY: Final = frozenset({"CreateKey", "ListKeys", "ListAliases", "GenerateRandom"})


@dataclass(frozen=True)
class Caller:
    """Authenticated caller and the policies that apply to it."""

    principal: Principal
    identity: str
    policies: tuple[str, ...]
    boundary: tuple[str, ...] = ()
    session_limits: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The ARN of the user, or of the role behind a session."""
        return next(iter(self.principal.names - {self.principal.arn}), self.principal.arn)


@dataclass(frozen=True)
class Authority:
    """Authenticator and authoriser of callers by their access keys; call while holding moto's lock."""

    state: State
    sessions: Sessions

    def secret_of(self, signed: Signed) -> str:
        """Return the secret key with which a request must be signed."""
        if signed.token:
            self.sessions.read(signed.access_key, signed.token)
            return self.sessions.secret_key(signed.access_key)
        user = self.state.user_of(signed.access_key)
        if user is None:
            raise AwsError(
                "InvalidAccessKeyId" if signed.service == "s3" else "InvalidClientTokenId",
                "The AWS Access Key Id you provided does not exist in our records.",
            )
        return user[2]

    def caller(self, signed: Signed) -> Caller:
        """Return the caller of a request with a verified signature."""
        if signed.token:
            session = self.sessions.read(signed.access_key, signed.token)
            role = self.state.role(session.role)
            if role is None:
                raise AwsError("AccessDenied", f"The role {session.role} no longer exists")
            policies, boundary = self.state.role_policies(session.role)
            names = frozenset({session.role, session.arn})
            principal = Principal(session.arn, ACCOUNT, names)
            identity = f"{role[1]}:{session.name}"
            return Caller(principal, identity, tuple(policies), tuple(boundary), session.limits)
        user = self.state.user_of(signed.access_key)
        if user is None:
            raise AwsError("InvalidClientTokenId", "The security token included in the request is invalid.")
        name, arn, _ = user
        principal = Principal(arn, ACCOUNT, frozenset({arn}))
        return Caller(principal, name, tuple(self.state.user_policies(name)))

    def require(self, caller: Caller, request: Request, signed: Signed, operation: str) -> None:
        """Check all permissions that a request needs.

        Raises
        ------
        AwsError
            ``AccessDenied`` for the first permission that is missing.
        """
        base = self._context(caller, request, signed)
        if signed.service == "s3":
            self._require_s3(caller, request, base, signed.region)
        elif signed.service == "kms":
            for ask, policy in self._kms_asks(request, operation, signed.region, base):
                _decide(caller, ask, policy, policy is not None)
        else:
            resource = self._secret(request, signed.region) if signed.service == "secretsmanager" else "*"
            _decide(caller, Ask(operations.permission(signed.service, operation), resource, base), None, False)

    def _secret(self, request: Request, region: str) -> str:
        """Return the ARN of the secret that a request of Secrets Manager names; ``*`` where it names none."""
        try:
            name = json.loads(request.body or b"{}").get("SecretId")
        except (ValueError, AttributeError):
            raise AwsError("SerializationException", "The request body is not JSON.", 400) from None
        return self.state.secret_arn(region, str(name)) if name else "*"

    def _context(self, caller: Caller, request: Request, signed: Signed) -> dict[str, tuple[str, ...]]:
        now = datetime.now(UTC)
        session = ":" in caller.identity
        return {
            "aws:securetransport": ("true",),
            "aws:principalarn": (caller.owner,),
            "aws:principalaccount": (ACCOUNT,),
            "aws:principaltype": ("AssumedRole" if session else "User",),
            "aws:resourceaccount": (ACCOUNT,),
            "aws:requestedregion": (signed.region,),
            "aws:sourceip": (request.peer,),
            "aws:currenttime": (now.strftime("%Y-%m-%dT%H:%M:%SZ"),),
            "aws:epochtime": (str(int(now.timestamp())),),
            "aws:useragent": (request.header("user-agent"),),
            "aws:userid": (caller.identity,),
            **({} if session else {"aws:username": (caller.identity,)}),
        }

    def _require_s3(self, caller: Caller, request: Request, base: Mapping[str, tuple[str, ...]], region: str) -> None:
        context = {**base, **s3_actions.context(request)}
        needs = s3_actions.needs(request)
        for need in needs:
            policy = self.state.bucket_policy(need.bucket) if need.bucket else None
            _decide(caller, Ask(need.action, need.resource, context), policy, False)
        for need in needs:
            self._require_s3_key(caller, request, need, base, region)

    def _require_s3_key(
        self, caller: Caller, request: Request, need: s3_actions.Need, base: Mapping[str, tuple[str, ...]], region: str
    ) -> None:
        """Check the use of the KMS key with which S3 encrypts an object."""
        if need.action in ("s3:GetObject", "s3:GetObjectVersion") and request.method != "HEAD":
            encryption, action = self.state.object_encryption(need.bucket, need.key, need.version), "kms:Decrypt"
        elif need.action == "s3:PutObject" and request.method in ("PUT", "POST"):
            encryption, action = self._new_object_encryption(request, need.bucket), "kms:GenerateDataKey"
        else:
            return
        if not encryption.key:
            return
        key = self.state.kms_key(region, encryption.key)
        if key is None:
            raise AwsError("KMS.NotFoundException", f"Key '{encryption.key}' does not exist", 400)
        arn, state, policy = key
        if state != "Enabled":
            raise AwsError("KMS.KMSInvalidStateException", f"{arn} is {state}.", 400)
        context = {
            **base,
            "kms:viaservice": (f"s3.{region}.amazonaws.com",),
            "kms:calleraccount": (ACCOUNT,),
            "kms:encryptioncontext:aws:s3:arn": (need.resource, f"arn:aws:s3:::{need.bucket}"),
        }
        _decide(caller, Ask(action, arn, context), policy, True)

    def _new_object_encryption(self, request: Request, bucket: str) -> Encryption:
        asked = request.header("x-amz-server-side-encryption")
        default = self.state.bucket_encryption(bucket)
        if not asked:
            return default
        if not asked.startswith("aws:kms"):
            return Encryption()
        return Encryption(request.header("x-amz-server-side-encryption-aws-kms-key-id") or default.key)

    def _kms_asks(
        self, request: Request, operation: str, region: str, base: Mapping[str, tuple[str, ...]]
    ) -> list[tuple[Ask, str | None]]:
        try:
            body: dict[str, Any] = json.loads(request.body or b"{}")
        except ValueError:
            raise AwsError("SerializationException", "The request body is not JSON.", 400) from None
        context = {**base, "kms:calleraccount": (ACCOUNT,)}
        for name, value in (body.get("EncryptionContext") or {}).items():
            context[f"kms:encryptioncontext:{name}".lower()] = (str(value),)
        if operation in _KMS_WITHOUT_KEY:
            return [(Ask(f"kms:{operation}", "*", context), None)]
        actions = {f"kms:{operation}": self._kms_names(body)}
        if operation == "ReEncrypt":
            source = {**body, "KeyId": body.get("SourceKeyId")}
            actions = {
                "kms:ReEncryptFrom": self._kms_names(source),
                "kms:ReEncryptTo": [str(body.get("DestinationKeyId", ""))],
            }
        asks: list[tuple[Ask, str | None]] = []
        for action, names in actions.items():
            for name in names:
                key = self.state.kms_key(region, name)
                unknown = f"arn:aws:kms:{region}:{ACCOUNT}:key/{name}"
                asks.append((Ask(action, key[0] if key else unknown, context), key[2] if key else None))
        if body.get("AliasName"):
            alias = f"arn:aws:kms:{region}:{ACCOUNT}:{body['AliasName']}"
            asks.append((Ask(f"kms:{operation}", alias, context), None))
        return asks or [(Ask(f"kms:{operation}", "*", context), None)]

    def _kms_names(self, body: Mapping[str, Any]) -> list[str]:
        names = {str(body[field]) for field in ("KeyId", "TargetKeyId") if body.get(field)}
        if "CiphertextBlob" in body:
            # The ciphertext determines the key for decryption, regardless of the request's key id.
            try:
                names.add(self.state.kms_key_of(base64.b64decode(body["CiphertextBlob"])))
            except (binascii.Error, TypeError):
                names.add("")
        return sorted(names)


def _decide(caller: Caller, ask: Ask, resource_policy: str | None, resource_decides: bool) -> None:
    """Allow one action or refuse it.

    Parameters
    ----------
    caller
        The caller.
    ask
        The requested permission.
    resource_policy
        The policy of the bucket or key.
    resource_decides
        Whether identity policies count only where the resource's policy lets the account decide, as with keys.
    """
    identity = combine([judge(document, ask) for document in caller.policies])
    direct = resource = Verdict.SILENT
    if resource_policy is not None:
        direct = judge(resource_policy, ask, caller.principal, delegate=False)
        resource = judge(resource_policy, ask, caller.principal)
    limits = [judge(d, ask) for d in caller.session_limits] if caller.session_limits else [Verdict.ALLOW]
    boundary = [judge(d, ask) for d in caller.boundary] if caller.boundary else [Verdict.ALLOW]
    narrowed = combine(limits) is Verdict.ALLOW and combine(boundary) is Verdict.ALLOW
    denied = Verdict.DENY in (identity, direct, resource, combine(limits), combine(boundary))
    by_identity = identity is Verdict.ALLOW and (resource is Verdict.ALLOW or not resource_decides)
    if denied or not narrowed or not (by_identity or direct is Verdict.ALLOW):
        because = "with an explicit deny" if denied else "because no policy allows the action"
        raise AwsError(
            "AccessDenied",
            f"User: {caller.principal.arn} is not authorized to perform: {ask.action} on resource: {ask.resource} "
            f"{because}",
        )

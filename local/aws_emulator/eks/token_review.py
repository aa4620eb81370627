"""TokenReview webhook for tokens of ``aws eks get-token``, with the rules of EKS.

Such a token is the presigned URL of STS's ``GetCallerIdentity`` with the cluster's name among the signed headers.
"""

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from local.aws_emulator.access.authority import Authority, Caller
from local.aws_emulator.access.signatures import Signed, read, verify
from local.aws_emulator.eks.access import ADMIN_POLICY
from local.aws_emulator.eks.clusters import AccessEntry, Cluster, Clusters
from local.aws_emulator.messages import Answer, AwsError, Request

_PREFIX: Final = "k8s-aws-v1."
_CLUSTER_HEADER: Final = "x-k8s-aws-id"
# Maximum lifetime of a token in EKS, regardless of the expiry in the presigned URL.
_SECONDS: Final = 900
_LONGEST: Final = 16 << 10
_PARAMETERS: Final = frozenset(
    {
        "Action",
        "Version",
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
    }
)


@dataclass(frozen=True)
class Reviewer:
    """Reviewer of TokenReview requests from the API server; call while holding moto's lock.

    Parameters
    ----------
    authority
        Callers by access key.
    clusters
        Clusters with their access entries.
    host
        Host of STS that tokens must have.
    """

    authority: Authority
    clusters: Clusters
    host: str

    def answer(self, request: Request) -> Answer:
        """Handle one TokenReview; an invalid token gives an unauthenticated response."""
        try:
            asked = json.loads(request.body)
            token = str(asked["spec"]["token"])
        except (ValueError, KeyError, TypeError):
            return Answer(400, (), b"")
        try:
            status: dict[str, Any] = {"authenticated": True, "user": self._user(token)}
        except AwsError as error:
            status = {"authenticated": False, "error": error.message}
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
        return Answer(200, (("Content-Type", "application/json"),), json.dumps(review).encode())

    def _user(self, token: str) -> dict[str, Any]:
        request = self._presigned(token)
        signed = read(request)
        if signed is None or _CLUSTER_HEADER not in signed.signed_headers or not 0 < signed.expires <= _SECONDS:
            raise _refused("it is not signed for a cluster, or for too long")
        secret = self.authority.secret_of(signed)
        cluster = self._cluster(request, replace(signed, expires=_SECONDS), secret)
        caller = self.authority.caller(signed)
        entry = cluster.entries.get(caller.owner)
        if entry is None:
            raise _refused(f"{caller.owner} has no access entry on the cluster {cluster.name}")
        return _kubernetes_user(caller, entry, signed.access_key)

    def _presigned(self, token: str) -> Request:
        if not token.startswith(_PREFIX) or len(token) > _LONGEST:
            raise _refused("it is no token of `aws eks get-token`")
        text = token.removeprefix(_PREFIX)
        try:
            address = urlsplit(urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii"))
        except ValueError:
            raise _refused("it cannot be decoded") from None
        request = Request("GET", f"{address.path}?{address.query}", (("host", address.netloc),), b"")
        names = [pair.partition("=")[0] for pair in address.query.split("&")]
        if (address.scheme, address.netloc, address.path) != ("https", self.host, "/"):
            raise _refused("it is for another address than STS")
        if len(names) != len(set(names)) or not set(names) <= _PARAMETERS:
            raise _refused("it has other parameters than a request for the caller's identity")
        if request.parameters.get("Action") != "GetCallerIdentity":
            raise _refused("it is for another action than the caller's identity")
        return request

    def _cluster(self, request: Request, signed: Signed, secret: str) -> Cluster:
        """Return the cluster with the signed name; the embedded cluster serves all of them."""
        refusal = _refused("there is no cluster")
        for cluster in self.clusters:
            named = request.with_headers((*request.headers, (_CLUSTER_HEADER, cluster.name)))
            try:
                verify(named, signed, secret, datetime.now(UTC))
            except AwsError as error:
                refusal = error
            else:
                return cluster
        raise refusal


def _refused(reason: str) -> AwsError:
    return AwsError("AccessDenied", f"the token is refused: {reason}")


def _kubernetes_user(caller: Caller, entry: AccessEntry, access_key: str) -> dict[str, Any]:
    session = caller.principal.arn.rpartition("/")[2]
    admin = ["system:masters"] if ADMIN_POLICY in entry.policies else []
    return {
        "username": entry.username.replace("{{SessionName}}", session),
        "uid": caller.identity,
        "groups": [*entry.groups, *admin],
        "extra": {"arn": [caller.principal.arn], "canonicalArn": [caller.owner], "accessKeyId": [access_key]},
    }

"""Moto itself: requests go in one at a time, and the same request with the same number gives the same ids."""

import hashlib
import hmac
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes

# Read by moto when it is imported.
os.environ["MOTO_ACCOUNT_ID"] = "123456789012"
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = str(4 << 20)

import moto.backends
import moto.kms.models
import moto.kms.utils
import moto.s3.models
from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY, environ_key_for_header
from moto.iam.access_control import PermissionResult
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.kms.utils import _deserialize_ciphertext_blob
from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends
from werkzeug.test import run_wsgi_app

from local.aws_emulator.messages import ACCOUNT, PARTITION, Answer, Request

_DROPPED: Final = frozenset(
    {"authorization", "connection", "content-length", "expect", "host", "transfer-encoding", "x-amz-security-token"}
)
_PLAIN_SERVICES: Final = frozenset({"iam", "kms", "s3"})
HOST: Final = "127.0.0.1:4566"


@dataclass(frozen=True)
class Call:
    """A request that was let in, and where it goes."""

    request: Request
    service: str
    region: str
    access_key: str


@dataclass(frozen=True)
class Encryption:
    """The KMS key of an S3 object or bucket; no key when S3 encrypts with its own."""

    key: str = ""


class Moto:
    """Moto's services behind one lock, with reproducible randomness for everything that stays."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._lock = threading.RLock()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._prepared: set[tuple[str, str]] = set()
        _make_reproducible()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold everybody else off."""
        with self._lock:
            yield

    def seed(self, number: int | str) -> None:
        """Make the next ids, versions and keys those of one journal entry."""
        mock_random.seed(hmac.new(self._secret, f"entry {number}".encode(), hashlib.sha256).hexdigest())

    def perform(self, call: Call, number: int | None = None) -> Answer:
        """Hand a request to moto and return its answer; a number makes its ids those of that journal entry."""
        with self._lock:
            if call.service not in _PLAIN_SERVICES:
                self._prepare("ec2", call.region)
            self._prepare(call.service, call.region)
            if number is not None:
                self.seed(number)
            body, status, headers = run_wsgi_app(self._app, _environ(call), buffered=True)
            content = b"".join(body)
        return Answer(int(status.partition(" ")[0]), tuple(headers.items()), content)

    def _prepare(self, service: str, region: str) -> None:
        """Make what a region has from the start (a default VPC, say) with the same ids, whoever asks first."""
        if (service, region) in self._prepared:
            return
        self._prepared.add((service, region))
        self.seed(f"{service} {region}")
        try:
            regions: Any = moto.backends.get_backend(cast(Any, service))[ACCOUNT]
            for name in (region, PARTITION):
                if name in regions:
                    _ = regions[name]
        except (ImportError, KeyError, AttributeError):
            return


def _make_reproducible() -> None:
    """Draw what moto takes from the system's randomness, and what must stay, from its seeded source."""

    def key_material(size: int) -> bytes:
        return mock_random.randbytes(size)

    create: Callable[..., None] = moto.s3.models.FakeMultipart.__init__

    def multipart(self: Any, *args: Any, **kwargs: Any) -> None:
        create(self, *args, **kwargs)
        self.id = mock_random.get_random_string(96)

    def neutral(_bucket: Any, _action: str, _resource: str) -> PermissionResult:
        # Bucket policies are judged before a request gets here; moto's own look ignores conditions.
        return PermissionResult.NEUTRAL

    def no_private_key(_spec: str) -> None:
        # Only symmetric keys are emulated; moto would make an RSA pair for each all the same.
        return None

    replacements: tuple[tuple[Any, str, Any], ...] = (
        (moto.kms.utils, "generate_data_key", key_material),
        (moto.kms.models, "generate_private_key", no_private_key),
        (moto.s3.models.FakeBucket, "get_permission", neutral),
        (moto.s3.models.FakeMultipart, "__init__", multipart),
    )
    for owner, name, value in replacements:
        setattr(owner, name, value)


def _environ(call: Call) -> dict[str, Any]:
    request = call.request
    path, _, query = request.target.partition("?")
    query = "&".join(pair for pair in query.split("&") if not pair.startswith("X-Amz-"))
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": f"{path}?{query}" if query else path,
        "REQUEST_URI": f"{path}?{query}" if query else path,
        "SERVER_NAME": HOST.partition(":")[0],
        "SERVER_PORT": HOST.partition(":")[2],
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.peer,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(request.body)),
        "HTTP_HOST": HOST,
        # The service and region that were authorised, so that moto cannot guess others.
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={call.access_key}/20000101/{call.region}/{call.service}"
        "/aws4_request, SignedHeaders=host, Signature=none",
    }
    preserved: dict[str, str] = {}
    for name, value in request.headers:
        if name in _DROPPED or name.startswith("x-moto-"):
            continue
        key = environ_key_for_header(name)
        environ[key] = value
        if "_" in name:
            preserved[key] = name
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = preserved
    return environ


class State:
    """What the authorisation has to know of moto's state; call while holding the lock."""

    def user_of(self, access_key: str) -> tuple[str, str, str] | None:
        """Return name, ARN and secret key of the user that owns an active access key."""
        for user in _iam().users.values():
            for key in user.access_keys:
                if key.access_key_id == access_key and key.status == "Active":
                    return user.name, user.arn, key.secret_access_key
        return None

    def user_policies(self, name: str) -> list[str]:
        """Return the documents of a user's and its groups' policies."""
        iam = _iam()
        user = iam.users[name]
        holders = [user, *iam.get_groups_for_user(name)]
        return [document for holder in holders for document in _documents(holder)]

    def role(self, arn: str) -> tuple[str, str] | None:
        """Return trust policy and id of a role."""
        for role in _iam().roles.values():
            if role.arn == arn:
                return str(role.assume_role_policy_document), role.id
        return None

    def role_policies(self, arn: str) -> tuple[list[str], list[str]]:
        """Return the documents of a role's policies, and those of its permissions boundary."""
        for role in _iam().roles.values():
            if role.arn == arn:
                boundary = role.permissions_boundary_arn
                limits = [_default_version(_iam().managed_policies[boundary])] if boundary else []
                return _documents(role), limits
        return [], []

    def oidc_clients(self, host: str) -> tuple[str, list[str]] | None:
        """Return ARN and client ids of the OIDC provider registered for an issuer without its scheme."""
        for arn, provider in _iam().open_id_providers.items():
            if provider.url.rstrip("/") == host.rstrip("/"):
                return arn, list(provider.client_id_list)
        return None

    def bucket_policy(self, bucket: str) -> str | None:
        """Return a bucket's policy."""
        found = s3_backends[ACCOUNT][PARTITION].buckets.get(bucket)
        return found.policy.decode() if found is not None and found.policy else None

    def has_bucket(self, bucket: str) -> bool:
        """Return whether a bucket exists."""
        return bucket in s3_backends[ACCOUNT][PARTITION].buckets

    def bucket_encryption(self, bucket: str) -> Encryption:
        """Return the default encryption of a bucket."""
        found = s3_backends[ACCOUNT][PARTITION].buckets.get(bucket)
        if found is None or not found.encryption:
            return Encryption()
        rule = found.encryption["Rule"]["ApplyServerSideEncryptionByDefault"]
        kms = rule["SSEAlgorithm"].startswith("aws:kms")
        return Encryption(rule.get("KMSMasterKeyID") or "" if kms else "")

    def object_encryption(self, bucket: str, key: str, version: str) -> Encryption:
        """Return the encryption of an object that may not exist."""
        try:
            found = s3_backends[ACCOUNT][PARTITION].get_object(bucket, key, version_id=version or None)
        except S3ClientError:
            return Encryption()
        kms = found is not None and (found.encryption or "").startswith("aws:kms")
        return Encryption(found.kms_key_id or "" if found is not None and kms else "")

    def kms_key(self, region: str, name: str) -> tuple[str, str, str] | None:
        """Return ARN, state and policy of the key that an id, ARN or alias names."""
        region = name.split(":")[3] if name.startswith("arn:") and name.count(":") >= 5 else region
        backend = kms_backends[ACCOUNT][region]
        name = backend.get_key_id(backend.get_alias_name(name))
        for key in backend.keys.values():
            if name == key.id or name in key.aliases:
                return key.arn, key.key_state, key.policy
        return None

    def kms_key_of(self, ciphertext: bytes) -> str:
        """Return the id of the key that made a ciphertext, empty when it is none of ours."""
        try:
            return str(_deserialize_ciphertext_blob(ciphertext).key_id)
        except Exception:
            return ""


def _iam() -> Any:
    return iam_backends[ACCOUNT][PARTITION]


def _documents(holder: Any) -> list[str]:
    inline = [_json(document) for document in holder.policies.values()]
    return inline + [_default_version(policy) for policy in holder.managed_policies.values()]


def _default_version(policy: Any) -> str:
    return _json(next(v.document for v in policy.versions if v.version_id == policy.default_version_id))


def _json(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def create_administrator(moto_services: Moto, name: str, policy: dict[str, Any]) -> tuple[str, str]:
    """Create a user that may do everything, the same one at every start, and return its access key."""
    with moto_services.exclusive():
        moto_services.seed(f"user {name}")
        iam = _iam()
        iam.create_user("us-east-1", name)
        iam.put_user_policy(name, "everything", json.dumps(policy))
        key = iam.create_access_key(name)
        return key.access_key_id, key.secret_access_key

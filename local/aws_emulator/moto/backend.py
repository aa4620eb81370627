"""Moto backend: requests are serialised, and a request with the same number gets the same ids."""

import hashlib
import hmac
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes

import moto.backends
import moto.kafka.models
import moto.kms.models
import moto.kms.utils
import moto.rds.models
import moto.s3.models
from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY, environ_key_for_header
from moto.iam.access_control import PermissionResult
from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import run_wsgi_app

from local.aws_emulator.messages import ACCOUNT, PARTITION, Answer, Request
from local.aws_emulator.moto.repairs import REPAIRS

_DROPPED: Final = frozenset(
    {"authorization", "connection", "content-length", "expect", "host", "transfer-encoding", "x-amz-security-token"}
)
_PLAIN_MODULES: Final = frozenset({"iam", "kms", "s3"})
HOST: Final = "127.0.0.1:4566"


@dataclass(frozen=True)
class Call:
    """Authorised request with its service and operation."""

    request: Request
    service: str
    region: str
    access_key: str


class Moto:
    """Moto's services behind one lock, with reproducible randomness for persistent values."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._lock = threading.RLock()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._prepared: set[tuple[str, str]] = set()
        _make_reproducible()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold moto's lock."""
        with self._lock:
            yield

    def seed(self, number: int | str) -> None:
        """Seed the random source for ids, versions and keys with a journal entry's number."""
        mock_random.seed(hmac.new(self._secret, f"entry {number}".encode(), hashlib.sha256).hexdigest())

    def perform(self, call: Call, number: int | None = None) -> Answer:
        """Pass a request to moto and return its response; with a number, its ids are those of the journal entry.

        Raises
        ------
        NotImplementedError
            When moto does not know the service or the operation.
        """
        with self._lock:
            self.prepare(call, number)
            return self.run(call)

    def prepare(self, call: Call, number: int | None = None) -> None:
        """Create the prerequisites of a call and seed its ids by journal entry; call while holding the lock."""
        module = self._module(call)
        if module not in _PLAIN_MODULES:
            self._exist("ec2", call.region)
        self._exist(module, call.region)
        if number is not None:
            self.seed(number)

    def run(self, call: Call) -> Answer:
        """Pass a prepared request to moto; call while holding the lock."""
        body, status, headers = run_wsgi_app(self._app, environ(call), buffered=True)
        answer = Answer(int(status.partition(" ")[0]), tuple(headers.items()), b"".join(body))
        if call.service != "s3" and _has_no_route(answer):
            raise NotImplementedError(f"{call.request.method} {call.request.path} of {call.service}")
        return answer

    def _module(self, call: Call) -> str:
        """Return moto's name of the service that handles a call."""
        host = str(self._app.infer_service_region_host(environ(call), call.request.path))
        if "." not in host:
            return host
        for module, pattern in self._app.backend_url_patterns:
            if pattern.match(f"http://{host}"):
                return str(module)
        raise NotImplementedError(f"the service {call.service}")

    def _exist(self, module: str, region: str) -> None:
        """Create the defaults of a region (such as the default VPC), always with the same ids."""
        if (module, region) in self._prepared:
            return
        self._prepared.add((module, region))
        self.seed(f"{module} {region}")
        regions: Any = moto.backends.get_backend(cast(Any, module))[ACCOUNT]
        for name in (region, PARTITION):
            if name in regions:
                _ = regions[name]


def _has_no_route(answer: Answer) -> bool:
    """Return whether moto's web framework responded because moto has no such path."""
    kind = dict(answer.headers).get("Content-Type", "")
    return answer.status in (404, 405) and (kind.startswith("text/html") and answer.body.startswith(b"<!doctype html>"))


def _make_reproducible() -> None:
    """Redirect moto's uses of system randomness for persistent values to its seeded source."""

    def key_material(size: int) -> bytes:
        return mock_random.randbytes(size)

    create: Callable[..., None] = moto.s3.models.FakeMultipart.__init__

    def multipart(self: Any, *args: Any, **kwargs: Any) -> None:
        create(self, *args, **kwargs)
        self.id = mock_random.get_random_string(96)

    def neutral(_bucket: Any, _action: str, _resource: str) -> PermissionResult:
        # Bucket policies are evaluated before; moto's own evaluation ignores conditions.
        return PermissionResult.NEUTRAL

    def no_private_key(_spec: str) -> None:
        # Only symmetric keys are emulated, but moto would generate an RSA key pair for each of them.
        return None

    class Uuid:
        """Replacement of Python's uuid module in two modules of moto, with the seeded source."""

        uuid4 = mock_random.uuid4

    replacements: tuple[tuple[Any, str, Any], ...] = (
        (moto.kafka.models, "uuid", Uuid),
        (moto.rds.models, "uuid", Uuid),
        (moto.kms.utils, "generate_data_key", key_material),
        (moto.kms.models, "generate_private_key", no_private_key),
        (moto.s3.models.FakeBucket, "get_permission", neutral),
        (moto.s3.models.FakeMultipart, "__init__", multipart),
    )
    for owner, name, value in (*replacements, *REPAIRS):
        setattr(owner, name, value)


def environ(call: Call) -> dict[str, Any]:
    """Return a request as WSGI environment for moto's server."""
    request = call.request
    path, _, query = request.target.partition("?")
    query = "&".join(pair for pair in query.split("&") if not pair.startswith("X-Amz-"))
    fields: dict[str, Any] = {
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
        # The authorised service and region, so that moto does not derive others.
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={call.access_key}/20000101/{call.region}/{call.service}"
        "/aws4_request, SignedHeaders=host, Signature=none",
    }
    preserved: dict[str, str] = {}
    for name, value in request.headers:
        if name in _DROPPED or name.startswith("x-moto-"):
            continue
        key = environ_key_for_header(name)
        fields[key] = value
        if "_" in name:
            preserved[key] = name
    fields[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = preserved
    return fields

"""A browser at a hospital's gateway, in which a person signs in with both factors.

Chromium accepts the certificates that Python verified first, by the digests of their public keys, and no others.
"""

import base64
import hashlib
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, Page
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.cluster.openbao import operator
from local.hospitals.application import server_authority
from local.keycloak.staff import Person
from local.paths import KEYCLOAK_URL, LOOPBACK, Home, worklist_url
from tests.support.gateway.browser import chromium

TIMEOUT_MILLISECONDS = 30_000
CODE_SECONDS = 40
"""Longer than a one-time password is valid: each is accepted once, and others may sign in as the same person."""
USERNAME, PASSWORD, CODE = "#username", "#password", "#otp"


def public_key_digest(url: str, address: str, context: ssl.SSLContext) -> str:
    """Return the digest of the public key of a server, whose certificate and name are verified."""
    named = urlsplit(url)
    with (
        socket.create_connection((address, named.port or 443), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=named.hostname) as tls,
    ):
        encoded = tls.getpeercert(binary_form=True)
    assert encoded
    key = x509.load_der_x509_certificate(encoded).public_key()
    content = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


@contextmanager
def gateway_browser(home: Home, *hospitals: str, servers: Iterable[str] = ()) -> Iterator[Browser]:
    """Start a browser that accepts the certificates of the hospitals' gateways, of Keycloak and of other servers."""
    vault = operator(home)
    environment = ssl.create_default_context(cafile=home.pki / "ca.crt")
    digests = [public_key_digest(url, str(urlsplit(url).hostname), environment) for url in (KEYCLOAK_URL, *servers)]
    for hospital in hospitals:
        context = ssl.create_default_context(cadata=server_authority(vault, hospital))
        digests.append(public_key_digest(worklist_url(hospital), LOOPBACK, context))
    with chromium(f"--ignore-certificate-errors-spki-list={','.join(digests)}") as browser:
        yield browser


@contextmanager
def signed_in(browser: Browser, person: Person, size: tuple[int, int] = (1280, 1024)) -> Iterator[Page]:
    """Open the worklist of a person's hospital in a window of its own, and sign in with both factors."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    try:
        page = context.new_page()
        sign_in(page, person)
        yield page
    finally:
        context.close()


def sign_in(page: Page, person: Person) -> None:
    """Open the worklist, and answer what the identity provider asks for."""
    page.goto(f"{worklist_url(person.hospital)}/worklist")
    answer_provider(page, person)


def answer_provider(page: Page, person: Person) -> None:
    """Answer what the identity provider asks for, both factors, on the way to a page of the gateway."""
    assert page.url.startswith(f"{KEYCLOAK_URL}/realms/{person.hospital}/"), "nobody was asked to sign in"
    page.fill(USERNAME, person.username)
    page.fill(PASSWORD, person.password)
    page.keyboard.press("Enter")
    tried: set[str] = set()

    def waits_for_code() -> bool:
        """Send a code that was not sent before; a wrong one counts as an attempt."""
        code = person.code()
        if code in tried:
            return True
        tried.add(code)
        page.fill(CODE, code)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        return not page.url.startswith(worklist_url(person.hospital))

    Retrying(stop=stop_after_delay(CODE_SECONDS), wait=wait_fixed(1), retry=retry_if_result(bool))(waits_for_code)

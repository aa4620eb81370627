"""``python -m services.probe URL``: probe of a mutual TLS server in its own pod, by the pod's own certificate.

The kubelet has no client certificate, so its probes are commands. This one imports no package: it runs every few
seconds, and an import of an HTTP client would cost more than the request.
"""

import http.client
import os
import ssl
import sys
import urllib.parse

TIMEOUT_SECONDS = 3.0
_FILES = {
    "TLS_CA_FILE": "/vault/secrets/tls.ca",
    "TLS_CERTIFICATE_FILE": "/vault/secrets/tls.crt",
    "TLS_KEY_FILE": "/vault/secrets/tls.key",
}


def status(url: str) -> int:
    """Return the HTTP status of a URL.

    Raises
    ------
    OSError, http.client.HTTPException
        If there is no answer.
    """
    authority, certificate, key = (os.environ.get(name) or default for name, default in _FILES.items())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate names a workload and not an address; the address is the pod's own loopback.
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(authority)
    context.load_cert_chain(certificate, key)
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(address.netloc, timeout=TIMEOUT_SECONDS, context=context)
    try:
        connection.request("GET", address.path, headers={"Connection": "close"})
        return connection.getresponse().status
    finally:
        connection.close()


def main(arguments: list[str]) -> int:
    """Exit with 0 if the answer is 200."""
    try:
        answer = status(arguments[0])
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer: {error}", file=sys.stderr)
        return 1
    print(f"status {answer}", file=sys.stderr)
    return 0 if answer == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

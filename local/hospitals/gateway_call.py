"""Calls through a hospital's gateway, which listens on loopback under the names of its hosts."""

import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx

from local.paths import LOOPBACK


def send(method: str, url: str, context: ssl.SSLContext, timeout: float, **options: Any) -> httpx.Response:
    """Send a request to the host of a URL at the gateway's address; redirects are not followed.

    Proxies and credentials of the caller's environment are not used.
    """
    named = urlsplit(url)
    headers = {"Host": named.netloc, **options.pop("headers", {})}
    there = httpx.URL(url).copy_with(host=LOOPBACK)
    with httpx.Client(verify=context, timeout=timeout, trust_env=False) as client:
        return client.request(method, there, headers=headers, extensions={"sni_hostname": named.hostname}, **options)

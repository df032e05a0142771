"""The TLS context of both fetchers."""

from __future__ import annotations

import ssl
import sys

from crawler.errors import UsageError
from crawler.fetch.options import FetchOptions


def tls_context(options: FetchOptions) -> ssl.SSLContext:
    """A client context as the options say, for TLS 1.2 and later. UsageError when the CA file cannot be used. Takes 20 ms: make one."""
    context = ssl.create_default_context()
    # Not every Python says so itself; a system that wants more than this keeps it (RFC 8996).
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    context.set_alpn_protocols(["http/1.1"])
    if options.ca_certificate is not None:
        try:
            context.load_verify_locations(cafile=options.ca_certificate)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"cannot read the certificates in {options.ca_certificate}", str(error), "give a PEM file with CA certificates"
            ) from error
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def load_client() -> None:
    """Imports aiohttp without the certificates of the system, which it would read twice for contexts of its own: a fifth of what a
    crawl takes to start. Nobody needs those, as each of our requests over TLS brings its context, and without certificates they trust
    nobody. For commands, before anything else imports it; a program that uses us may use aiohttp, too, and imports it as it is.
    """
    if "aiohttp" in sys.modules:
        return
    ssl.SSLContext.set_default_verify_paths = lambda self: None  # type: ignore[method-assign]
    try:
        import aiohttp  # noqa: F401
    finally:
        del ssl.SSLContext.set_default_verify_paths  # inherited again

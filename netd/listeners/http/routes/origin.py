"""The page that makes a request: the pages of other sites may not use some routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netd.listeners.http.protocol.response import Response, error_response

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


def permits_origin(
    fields: dict[bytes, bytes], origins: Sequence[str], *, same_host: bool = True
) -> bool:
    """Whether the page that makes a request may; a client that is no browser has no page.

    The pages of the listed `origins` may, and with `same_host` those of the same host: of the host
    that the client names, which a page can change (DNS rebinding).
    """
    if b"origin" not in fields or "*" in origins:
        return True
    origin = fields[b"origin"].decode("latin-1").lower()
    scheme, _, authority = origin.partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    if port is None:  # "null": a page without an origin, or a file
        return False
    host = _host(fields)
    is_same = authority.removesuffix(port) == host.removesuffix(port)
    return (is_same and same_host) or origin in origins


def refuse_origin(fields: dict[bytes, bytes]) -> Response:
    """The response to a page that may not make a request; the log has its origin and the host.

    They differ also behind a proxy that passes on another Host than the browser has sent.
    """
    origin = fields[b"origin"].decode("latin-1")
    reason = f"a page of {origin} is not of the host {_host(fields)}, nor named in origins"
    return error_response(403, reason=reason)


def _host(fields: dict[bytes, bytes]) -> str:
    return fields.get(b"host", b"").decode("latin-1").lower()

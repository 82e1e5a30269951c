"""Parses a request's head to a Request, or refuses it with a status.

A head that does not follow the grammar is refused, never repaired: where two parsers read the
same bytes differently, requests can be smuggled (RFC 9112 section 11.2).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

from netd.errors import RemoteProtocolError
from netd.listeners.http.protocol import grammar
from netd.listeners.http.protocol.event import Framing, Request

KNOWN_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)
_MAX_PORT: Final = 65535
# CGI gateways, which turn names into variables, would take these for the real framing fields.
_UNDERSCORED: Final = frozenset({b"content_length", b"transfer_encoding"})


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The largest request that is accepted, in bytes; `fields` is the number of header fields."""

    request_line: int = 8192
    head: int = 32768
    fields: int = 100
    body: int = 1048576


def parse_head(head: bytes, limits: RequestLimits) -> Request:
    """Parse a head, from the request line to the empty line. Raises RemoteProtocolError."""
    line, _, rest = head.partition(b"\r\n")
    method, target, minor = parse_request_line(line, limits)
    lines, fields = _read_fields(rest[:-2], limits)
    path, query, authority = _split_target(method, target)
    host = _parse_host(lines, fields, authority, minor)
    framing, length = _parse_framing(lines, fields, minor)
    options = _list_members(fields.get(b"connection", b""))
    keep_alive = b"close" not in options and (minor > 0 or b"keep-alive" in options)
    if framing is not Framing.NONE:
        _check_content(method, fields)
    if sum(name.lower() == b"content-type" for name, _ in lines) > 1:
        raise RemoteProtocolError("more than one Content-Type", 400)
    expects_continue = _parse_expectation(fields, minor) and framing is not Framing.NONE
    if expects_continue and length > limits.body:
        raise RemoteProtocolError(f"a body of {length} bytes is above {limits.body}", 413)
    return Request(
        *(method, target, path, query, minor, host, fields, lines, framing, length, keep_alive),
        expects_continue=expects_continue,
    )


def parse_request_line(line: bytes, limits: RequestLimits) -> tuple[str, bytes, int]:
    """Return method, target and minor version. Raises RemoteProtocolError (400, 414, 505)."""
    if len(line) > limits.request_line:
        status = 414 if b" " in line[: limits.request_line] else 400  # it may be no request
        raise RemoteProtocolError(f"request line longer than {limits.request_line} bytes", status)
    match = grammar.REQUEST_LINE.fullmatch(line)
    if match is None:
        raise RemoteProtocolError("malformed request line", 400)
    if match[3] != b"1":
        raise RemoteProtocolError(f"HTTP/{match[3].decode()} is not supported", 505)
    return match[1].decode(), match[2], min(int(match[4]), 1)


def parse_fields(block: bytes, limits: RequestLimits) -> tuple[tuple[bytes, bytes], ...]:
    """Parse field lines with their CRLF to (name, value). Raises RemoteProtocolError (400, 431)."""
    if grammar.FIELD_LINES.fullmatch(block) is None:
        raise RemoteProtocolError("malformed header field", 400)
    found = grammar.FIELDS.findall(block)
    if len(found) > limits.fields:
        raise RemoteProtocolError(f"more than {limits.fields} header fields", 431)
    return tuple((name, value.strip(b" \t")) for name, value in found)


@functools.lru_cache(maxsize=64)
def _read_fields(
    block: bytes, limits: RequestLimits
) -> tuple[tuple[tuple[bytes, bytes], ...], dict[bytes, bytes]]:
    """Return the fields as lines and by name; cached, since a client's requests repeat them."""
    lines = parse_fields(block, limits)
    return lines, _by_name(lines)


def _by_name(lines: tuple[tuple[bytes, bytes], ...]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in lines:
        key = name.lower()
        fields[key] = fields[key] + b", " + value if key in fields else value
    return fields


def _split_target(method: str, target: bytes) -> tuple[bytes, bytes, bytes | None]:
    """Return path, query, and the authority if the target has one (RFC 9112 section 3.2)."""
    if method == "CONNECT":
        match = grammar.HOST.fullmatch(target)
        if match is None or not match[2]:
            raise RemoteProtocolError("CONNECT needs a host and a port", 400)
        return b"/", b"", target
    if match := grammar.ORIGIN_FORM.fullmatch(target):
        return match[1], match[2] or b"", None
    if match := grammar.ABSOLUTE_FORM.fullmatch(target):
        return match[4] or b"/", match[5] or b"", match[1]
    if target == b"*" and method == "OPTIONS":
        return b"*", b"", None
    raise RemoteProtocolError("malformed request target", 400)


def _parse_host(
    lines: tuple[tuple[bytes, bytes], ...],
    fields: dict[bytes, bytes],
    authority: bytes | None,
    minor: int,
) -> str:
    """Return the host; the target's authority overrides the Host field (RFC 9112 3.2.2)."""
    named = fields.get(b"host")
    if named is None:
        if minor:
            raise RemoteProtocolError("no Host", 400)
    elif sum(name.lower() == b"host" for name, _ in lines) > 1:
        raise RemoteProtocolError("more than one Host", 400)
    else:
        named = _host_of(named).encode()
    return _host_of(authority) if authority is not None else (named or b"").decode()


def _host_of(authority: bytes) -> str:
    match = grammar.HOST.fullmatch(authority)
    if match is None or int(match[2] or b"0") > _MAX_PORT:
        raise RemoteProtocolError("malformed Host", 400)
    return match[1].decode().lower().removesuffix(".")  # a name with its root label is the same


def _parse_framing(
    lines: tuple[tuple[bytes, bytes], ...], fields: dict[bytes, bytes], minor: int
) -> tuple[Framing, int]:
    """RFC 9112 section 6. Both fields in one request are refused: they allow request smuggling."""
    if _UNDERSCORED & fields.keys():
        raise RemoteProtocolError("a framing field with underscores", 400)
    codings, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
    if codings is not None:
        if length is not None:
            raise RemoteProtocolError("Transfer-Encoding beside Content-Length", 400)
        if not minor:
            raise RemoteProtocolError("Transfer-Encoding in HTTP/1.0", 400)
        _check_codings(lines, codings)
        return Framing.CHUNKED, 0
    if length is None:
        return Framing.NONE, 0
    if grammar.CONTENT_LENGTH.fullmatch(length) is None:
        raise RemoteProtocolError("malformed Content-Length", 400)
    return (Framing.LENGTH, int(length)) if int(length) else (Framing.NONE, 0)


def _check_codings(lines: tuple[tuple[bytes, bytes], ...], codings: bytes) -> None:
    if codings.lower() == b"chunked":
        return
    members = _list_members(codings)
    if any(grammar.METHOD.fullmatch(member) is None for member in members):
        raise RemoteProtocolError("malformed Transfer-Encoding", 400)
    repeated = sum(name.lower() == b"transfer-encoding" for name, _ in lines) > 1
    if repeated or not members or members[-1] != b"chunked" or members.count(b"chunked") > 1:
        raise RemoteProtocolError("Transfer-Encoding must end in chunked, named once", 400)
    raise RemoteProtocolError("no transfer coding but chunked is known", 501)


def _check_content(method: str, fields: dict[bytes, bytes]) -> None:
    """RFC 9110 sections 9.3.2, 9.3.7 and 9.3.8: refuse content that may smuggle a request."""
    if method in ("HEAD", "TRACE") or (method == "OPTIONS" and b"content-type" not in fields):
        raise RemoteProtocolError(f"{method} with content", 400)


def _parse_expectation(fields: dict[bytes, bytes], minor: int) -> bool:
    expectation = fields.get(b"expect")
    if expectation is None or not minor:
        return False
    if expectation.lower() != b"100-continue":
        raise RemoteProtocolError("no expectation but 100-continue is known", 417)
    return True


def _list_members(value: bytes) -> list[bytes]:
    """Return the members of a list in lower case, without empty ones (RFC 9110 section 5.6.1)."""
    return [member for part in value.lower().split(b",") if (member := part.strip(b" \t"))]

"""The messages of SCRAM (RFC 5802 section 7), on the server's side, without channel binding.

    client: n,,n=NAME,r=NONCE                 server: r=NONCE...,s=SALT,i=COUNT
    client: c=biws,r=NONCE...,p=PROOF         server: v=SIGNATURE

Pure: the random part of the nonce is an argument.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

from netd.errors import RemoteProtocolError
from netd.protocols.scram_keys import KEY_BYTES

MAX_CHARS: Final = 1024  # of a client's message
_GS2_HEADER: Final = re.compile(r"([ny]|p=[A-Za-z0-9.-]+),(?:a=([^,]*))?,")
_SASLNAME: Final = re.compile(r"(?:[^=,\0]|=2C|=3D)+")
_NONCE: Final = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,256}")


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """The first message: who the client claims to be, and its nonce."""

    gs2_header: str
    authorization: str
    name: str
    nonce: str
    bare: str
    """The message without the header, which the proof covers."""


@dataclass(frozen=True, slots=True)
class ClientFinal:
    """The second message: the proof, and the text that it covers."""

    proof: bytes
    auth_message: bytes


def parse_client_first(text: str) -> ClientFirst:
    """Parse the client's first message. Raises RemoteProtocolError."""
    header = _GS2_HEADER.match(text)
    if header is None or len(text) > MAX_CHARS:
        raise RemoteProtocolError("not the first message of SCRAM")
    if header[1].startswith("p="):
        raise RemoteProtocolError("channel binding is not supported")
    bare = text[header.end() :]
    attributes = bare.split(",")  # "m=" in the first place is a mandatory extension: none is known
    name, nonce = (*attributes, "", "")[:2]
    if not name.startswith("n=") or not nonce.startswith("r=") or not _NONCE.fullmatch(nonce[2:]):
        raise RemoteProtocolError("not the first message of SCRAM")
    authorization = _name(header[2]) if header[2] is not None else ""
    return ClientFirst(header[0], authorization, _name(name[2:]), nonce[2:], bare)


def format_server_first(first: ClientFirst, nonce: str, salt: bytes, iterations: int) -> str:
    """The reply to the first message; `nonce` is a random text without a comma."""
    return f"r={first.nonce}{nonce},s={_encode(salt)},i={iterations}"


def parse_client_final(text: str, first: ClientFirst, server_first: str) -> ClientFinal:
    """Parse the client's second message, which repeats the header and the whole nonce.

    Raises RemoteProtocolError, also if it belongs to another exchange.
    """
    covered, comma, proof = text.rpartition(",p=")
    binding, _, rest = covered.partition(",")
    nonce = rest.partition(",")[0]
    if not comma or len(text) > MAX_CHARS:
        raise RemoteProtocolError("not the second message of SCRAM")
    if binding != f"c={_encode(first.gs2_header.encode())}":
        raise RemoteProtocolError("the second message has another header")
    if nonce != server_first.partition(",")[0]:
        raise RemoteProtocolError("the second message has another nonce")
    auth_message = f"{first.bare},{server_first},{covered}"
    return ClientFinal(_decode_proof(proof), auth_message.encode())


def format_server_final(signature: bytes) -> str:
    """The reply to a right proof, with which the server proves that it has the keys."""
    return f"v={_encode(signature)}"


def _name(text: str) -> str:
    if not _SASLNAME.fullmatch(text):
        raise RemoteProtocolError("not a name")
    return text.replace("=2C", ",").replace("=3D", "=")


def _decode_proof(text: str) -> bytes:
    try:
        proof = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise RemoteProtocolError("the proof is not base64") from error
    if len(proof) != KEY_BYTES:
        raise RemoteProtocolError("the proof has the wrong length")
    return proof


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()

"""The SASL mechanisms with which the client logs in (IRCv3 sasl-3.2).

A mechanism replies to the server's messages, which are empty or a challenge. AUTHENTICATE carries
a message in base64, in pieces; a piece that is not full is the last one, and + is an empty one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final, Protocol

from netd.client.core.client_state import Login
from netd.errors import RemoteProtocolError
from netd.protocols.scram_client import ScramLogin

PIECE_CHARS: Final = 400
MAX_CHARS: Final = 4000  # of a message of the server


class Mechanism(Protocol):
    """One attempt to log in."""

    name: str
    login: Login | None
    """The account and its password; None if the mechanism needs none."""
    is_complete: bool
    """Whether the server may report success."""
    is_demanded: bool
    """Whether the user wants this mechanism, or no connection."""

    def reply(self, challenge: str) -> str:
        """Return the next message. Raises RemoteProtocolError if the server cannot be trusted."""


class External:
    """EXTERNAL: the certificate of the TLS connection is the proof (RFC 4422 appendix A)."""

    name: str = "EXTERNAL"
    login: Login | None = None
    is_complete = True
    is_demanded = False

    def reply(self, _challenge: str) -> str:
        return ""


class Plain:
    """PLAIN: the password itself (RFC 4616)."""

    name: str = "PLAIN"
    is_complete = True
    is_demanded = False

    def __init__(self, login: Login) -> None:
        self.login: Login | None = login
        self._text = f"{login.account}\0{login.account}\0{login.password}"

    def reply(self, _challenge: str) -> str:
        return self._text


class Scram:
    """SCRAM-SHA-256: each side proves that it knows the password, which is not sent."""

    name: str = "SCRAM-SHA-256"
    is_demanded = True

    def __init__(self, login: Login, nonce: str) -> None:
        self.login: Login | None = login
        self.is_complete = False
        self._exchange = ScramLogin(login.account, login.password, nonce)
        self._step = 0

    def reply(self, challenge: str) -> str:
        self._step += 1
        match self._step:
            case 1:
                return self._exchange.first_message()
            case 2:
                return self._exchange.final_message(challenge)
            case 3:
                self._exchange.verify(challenge)
                self.is_complete = True
                return ""
        raise RemoteProtocolError("the server continues a login that is complete")


def pieces(text: str) -> Iterator[str]:
    """Yield the parameters of the AUTHENTICATE commands that carry a message."""
    encoded = base64.b64encode(text.encode()).decode()
    for start in range(0, len(encoded) + 1, PIECE_CHARS):
        yield encoded[start : start + PIECE_CHARS] or "+"


def decode(encoded: str) -> str:
    """Decode a message of the server. Raises RemoteProtocolError."""
    try:
        if len(encoded) <= MAX_CHARS:
            return base64.b64decode(encoded, validate=True).decode()
    except ValueError:  # not base64, or not UTF-8
        pass
    raise RemoteProtocolError("the server's challenge is malformed")

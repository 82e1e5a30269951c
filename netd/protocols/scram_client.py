"""The messages of SCRAM-SHA-256 (RFC 5802, RFC 7677), on the client's side.

No channel binding. `netd.protocols.scram` is the server's side, and shows the messages.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from netd.errors import RemoteProtocolError
from netd.protocols.scram_keys import MAX_ITERATIONS, MIN_ITERATIONS, derive_client_keys

_GS2_HEADER: Final = "n,,"  # no channel binding, no other identity
_SERVER_FIRST: Final = re.compile(r"r=([\x21-\x2b\x2d-\x7e]{1,512}),s=([^,]{1,128}),i=(\d{1,9})")


class ScramLogin:
    """One exchange; `nonce` is a random text without a comma."""

    def __init__(self, name: str, password: str, nonce: str) -> None:
        self._password, self._nonce = password, nonce
        self._first = f"n={name.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        self._signature = b""

    def first_message(self) -> str:
        """Return the message that begins the exchange."""
        return f"{_GS2_HEADER}{self._first}"

    def final_message(self, challenge: str) -> str:
        """Return the proof for the server's challenge, which takes a while.

        Raises RemoteProtocolError, also if the challenge would reveal too much or take too long.
        """
        parts = _SERVER_FIRST.fullmatch(challenge)
        if parts is None or not parts[1].startswith(self._nonce) or parts[1] == self._nonce:
            raise RemoteProtocolError("the server's challenge is malformed")
        iterations = int(parts[3])
        if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
            raise RemoteProtocolError(f"the server demands {iterations} iterations")
        keys = derive_client_keys(self._password, _decode(parts[2]), iterations)
        covered = f"c={_encode(_GS2_HEADER.encode())},r={parts[1]}"
        auth_message = f"{self._first},{challenge},{covered}".encode()
        self._signature = keys.signature(auth_message)
        return f"{covered},p={_encode(keys.proof(auth_message))}"

    def verify(self, message: str) -> None:
        """Check the server's proof. Raises RemoteProtocolError if it does not know the password."""
        value = message.partition(",")[0]
        if not self._signature or value != f"v={_encode(self._signature)}":
            raise RemoteProtocolError("the server has not proved that it knows the password")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise RemoteProtocolError("the server's salt is not base64") from error


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()

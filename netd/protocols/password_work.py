"""Work on passwords beside comparing them, which takes long: it is done in a thread."""

from __future__ import annotations

from typing import Protocol

from netd.protocols.scram import ClientFinal, format_server_final
from netd.protocols.scram_keys import derive_keys, is_scram, parse_keys


class PasswordWork(Protocol):
    """A unit of work, which is done once."""

    result: str
    """The text that the work makes; empty before and if it fails."""

    def is_slow(self, stored: str) -> bool:
        """Whether it takes too long for a loop."""

    def do(self, stored: str) -> bool:
        """Do it with a stored password; return whether that succeeds."""


class CheckProof:
    """Compares a SCRAM client's proof with a stored password; the result is the server's reply.

    A password that is stored in plain text has no keys yet: they are made with the salt and the
    iterations that the client was sent.
    """

    def __init__(self, final: ClientFinal, salt: bytes, iterations: int) -> None:
        self._final = final
        self._salt = salt
        self._iterations = iterations
        self.result = ""

    def is_slow(self, stored: str) -> bool:
        return not is_scram(stored)

    def do(self, stored: str) -> bool:
        is_plain = not is_scram(stored)
        keys = derive_keys(stored, self._salt, self._iterations) if is_plain else parse_keys(stored)
        if not keys.accepts(self._final.proof, self._final.auth_message):
            return False
        self.result = format_server_final(keys.signature(self._final.auth_message))
        return True


class MakeKeys:
    """Makes the SCRAM keys of a new password; the result is the string to store."""

    def __init__(self, password: str, salt: bytes) -> None:
        self._password = password
        self._salt = salt
        self.result = ""

    def is_slow(self, stored: str) -> bool:  # noqa: ARG002 (as the protocol has it)
        return True

    def do(self, stored: str) -> bool:  # noqa: ARG002 (as the protocol has it)
        self.result = str(derive_keys(self._password, self._salt))
        return True

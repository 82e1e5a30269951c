"""The keys of SCRAM-SHA-256 (RFC 5802, RFC 7677), and the string that stores them.

They check a password, or the proof of a client that knows it. Making them of a password takes
about 0.2 s: never do it on a loop. Checking a proof with stored keys takes microseconds.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from netd.errors import LocalProtocolError

PREFIX: Final = "$scram-sha-256$"
_FORM: Final = f"{PREFIX}i=N$SALT$STORED-KEY$SERVER-KEY"
ITERATIONS: Final = 600_000  # OWASP's recommendation of 2023
MIN_ITERATIONS: Final = 4096  # RFC 7677 section 4
MAX_ITERATIONS: Final = 2_000_000  # the client does them too
KEY_BYTES: Final = 32
_MAX_SALT_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """The keys that a server stores for a password (RFC 5802 section 3)."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    def matches(self, password: str) -> bool:
        """Whether a password is the one of the keys; this takes long."""
        return _is_same(derive_keys(password, self.salt, self.iterations), self)

    def accepts(self, proof: bytes, auth_message: bytes) -> bool:
        """Whether a client's proof shows that it knows the password."""
        if len(proof) != KEY_BYTES:
            return False
        mask = _hmac(self.stored_key, auth_message)
        client_key = bytes(a ^ b for a, b in zip(proof, mask, strict=True))
        return _equals(_sha256(client_key), self.stored_key)

    def signature(self, auth_message: bytes) -> bytes:
        """The proof for the client that the server has the keys."""
        return _hmac(self.server_key, auth_message)

    def __str__(self) -> str:
        """The string to store."""
        parts = (self.salt, self.stored_key, self.server_key)
        return f"{PREFIX}i={self.iterations}${'$'.join(map(_encode, parts))}"


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """The keys that a client derives from its password and the server's salt."""

    client_key: bytes
    server_key: bytes

    def proof(self, auth_message: bytes) -> bytes:
        """The proof for the server that the client knows the password."""
        mask = _hmac(_sha256(self.client_key), auth_message)
        return bytes(a ^ b for a, b in zip(self.client_key, mask, strict=True))

    def signature(self, auth_message: bytes) -> bytes:
        """The proof that the server has to send."""
        return _hmac(self.server_key, auth_message)


def derive_keys(password: str, salt: bytes, iterations: int = ITERATIONS) -> ScramKeys:
    """Make the keys of a password, which takes long. `salt` is 16 random bytes."""
    keys = derive_client_keys(password, salt, iterations)
    return ScramKeys(iterations, salt, _sha256(keys.client_key), keys.server_key)


def derive_client_keys(password: str, salt: bytes, iterations: int) -> ClientKeys:
    """Make the keys that a client proves to have, which takes long."""
    from hashlib import pbkdf2_hmac  # noqa: PLC0415 (loads OpenSSL)

    salted = pbkdf2_hmac("sha256", _prepare(password).encode(), salt, iterations)
    return ClientKeys(_hmac(salted, b"Client Key"), _hmac(salted, b"Server Key"))


def is_scram(stored: str) -> bool:
    """Whether a stored password has the form of SCRAM keys."""
    return stored.startswith(PREFIX)


def parse_keys(stored: str) -> ScramKeys:
    """Read stored keys. Raises LocalProtocolError, without a part of the text."""
    try:
        iterations, salt, stored_key, server_key = stored.removeprefix(PREFIX).split("$")
        name, _, number = iterations.partition("=")
        keys = ScramKeys(int(number), _decode(salt), _decode(stored_key), _decode(server_key))
    except ValueError as error:
        raise LocalProtocolError(f"not a SCRAM hash: expected {_FORM}") from error
    is_bounded = MIN_ITERATIONS <= keys.iterations <= MAX_ITERATIONS
    has_salt = 0 < len(keys.salt) <= _MAX_SALT_BYTES
    if name != "i" or not (is_bounded and has_salt):
        raise LocalProtocolError("not a SCRAM hash: iterations or salt out of bounds")
    if not len(keys.stored_key) == len(keys.server_key) == KEY_BYTES:
        raise LocalProtocolError(f"not a SCRAM hash: its keys need {KEY_BYTES} bytes")
    return keys


def _prepare(password: str) -> str:
    """Normalize a password as clients do (SASLprep, RFC 4013); an invalid one stays as it is."""
    if password.isascii():
        return password
    import stringprep  # noqa: PLC0415 (its tables are large, and rarely needed)
    import unicodedata  # noqa: PLC0415 (as above)

    mapped = (" " if stringprep.in_table_c12(letter) else letter for letter in password)
    kept = "".join(letter for letter in mapped if not stringprep.in_table_b1(letter))
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", kept)
    return prepared or password


def _is_same(one: ScramKeys, other: ScramKeys) -> bool:
    return _equals(one.stored_key, other.stored_key)


def _equals(one: bytes, other: bytes) -> bool:
    """Compare in constant time."""
    from hmac import compare_digest  # noqa: PLC0415 (loads OpenSSL)

    return compare_digest(one, other)


def _hmac(key: bytes, data: bytes) -> bytes:
    from hmac import digest  # noqa: PLC0415 (loads OpenSSL)

    return digest(key, data, "sha256")


def _sha256(data: bytes) -> bytes:
    from hashlib import sha256  # noqa: PLC0415 (loads OpenSSL)

    return sha256(data).digest()


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)

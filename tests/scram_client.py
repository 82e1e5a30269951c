"""The client's side of SCRAM-SHA-256 (RFC 5802), for tests."""

from __future__ import annotations

import base64
import hmac
from hashlib import pbkdf2_hmac, sha256


class ScramClient:
    """One login: `first`, then `final` with the server's challenge, then `is_server`."""

    def __init__(self, name: str, password: str, header: str = "n,,") -> None:
        self._header, self._password = header, password
        self._bare = f"n={name},r=fyko+d2lbbFgONRv9qkxdawL"
        self._signature = b""

    @property
    def first(self) -> str:
        """The first message."""
        return _encode((self._header + self._bare).encode())

    def final(self, challenge: str) -> str:
        """The second message, for the server's first one."""
        text = base64.b64decode(challenge).decode()
        nonce, salt, count = (part[2:] for part in text.split(","))
        salted = pbkdf2_hmac(
            "sha256", self._password.encode(), base64.b64decode(salt), min(int(count), 600_000)
        )
        covered = f"c={_encode(self._header.encode())},r={nonce}"
        message = f"{self._bare},{text},{covered}".encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        mask = hmac.digest(sha256(key).digest(), message, "sha256")
        proof = bytes(one ^ other for one, other in zip(key, mask, strict=True))
        self._signature = hmac.digest(
            hmac.digest(salted, b"Server Key", "sha256"), message, "sha256"
        )
        return _encode(f"{covered},p={_encode(proof)}".encode())

    def is_server(self, reply: str) -> bool:
        """Whether the server's last message shows that it has the keys."""
        return base64.b64decode(reply).decode() == f"v={_encode(self._signature)}"


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()

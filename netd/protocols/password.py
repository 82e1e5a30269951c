"""Stored passwords: scrypt hashes (RFC 7914) in the PHC string format, SCRAM keys, or plain text.

By design, checking a scrypt hash takes 0.3 s and 128 MiB, and checking a password with SCRAM keys
0.2 s: never do it on a loop.
"""

from __future__ import annotations

import base64
import enum
from collections.abc import Iterable
from typing import Final

from netd.errors import LocalProtocolError
from netd.protocols.scram_keys import KEY_BYTES, ScramKeys, is_scram, parse_keys

_PREFIX: Final = "$scrypt$"
_FORM: Final = "$scrypt$ln=N,r=N,p=N$SALT$DIGEST"
_DIGEST_BYTES: Final = 32
_LOG_N, _R, _P = 17, 8, 1  # OWASP's recommendation of 2023
_MAX_LOG_N, _MAX_R, _MAX_P = 17, 16, 4
_MAX_MEMORY_BYTES = 300 * 2**20


class Verdict(enum.Enum):
    """The outcome of a password check."""

    RIGHT = enum.auto()
    WRONG = enum.auto()
    UNCHECKED = enum.auto()  # too many checks wait, or there is no memory for this one


def is_hashed(stored: str) -> bool:
    """Whether a stored password is a hash, which is slow to check."""
    return stored.startswith(_PREFIX) or is_scram(stored)


def hash_password(password: str, salt: bytes, log_n: int = _LOG_N) -> str:
    """Return the string to store; `salt` is 16 random bytes.

    Time and memory of each check are proportional to 2 ** `log_n`.
    """
    digest = _scrypt(password, salt, log_n, _R, _P)
    return f"{_PREFIX}ln={log_n},r={_R},p={_P}${_encode(salt)}${_encode(digest)}"


def matches(password: str, stored: str) -> bool:
    """Whether a password is the stored one. Raises LocalProtocolError for an invalid hash."""
    if not is_hashed(stored):
        return _is_same(password.encode(), stored.encode())
    if is_scram(stored):
        return parse_keys(stored).matches(password)
    cost, salt, digest = _parse(stored)
    return _is_same(_scrypt(password, salt, *cost), digest)


def decoy(name: str, passwords: Iterable[str]) -> str:
    """Return a stored password to check for an unknown name; no password matches it.

    The check takes as long as the check of one of the stored `passwords`, always the same one for
    the same name, so the time of a reply does not show which names exist. Returns "" if all
    passwords are empty.
    """
    from hashlib import blake2b  # noqa: PLC0415 (loads OpenSSL)

    known = [password for password in passwords if password]
    if not known:
        return ""
    token = blake2b(name.encode(), key=known[0].encode()[-64:]).hexdigest()
    stored = known[int(token, 16) % len(known)]
    if not is_hashed(stored):
        return token
    if is_scram(stored):
        keys = parse_keys(stored)
        return str(ScramKeys(keys.iterations, keys.salt, bytes(KEY_BYTES), bytes(KEY_BYTES)))
    return f"{stored.rpartition('$')[0]}${_encode(bytes(_DIGEST_BYTES))}"


def check_hash(stored: str) -> None:
    """Raise LocalProtocolError if a stored hash is invalid."""
    if is_scram(stored):
        parse_keys(stored)
    elif is_hashed(stored):
        _parse(stored)


def _parse(stored: str) -> tuple[tuple[int, int, int], bytes, bytes]:
    try:
        cost, salt, digest = stored.removeprefix(_PREFIX).split("$")
        numbers = dict(pair.split("=") for pair in cost.split(","))
        log_n, r, p = (int(numbers[key]) for key in ("ln", "r", "p"))
        salt_bytes, digest_bytes = _decode(salt), _decode(digest)
    except (ValueError, KeyError) as error:  # whose text can have a part of the hash
        raise LocalProtocolError(f"not a scrypt hash: expected {_FORM}") from error
    is_bounded = 0 < log_n <= _MAX_LOG_N and 0 < r <= _MAX_R and 0 < p <= _MAX_P
    if not is_bounded or log_n >= 16 * r:  # RFC 7914 section 6: N < 2^(128 * r / 8)
        raise LocalProtocolError("not a scrypt hash: cost out of bounds")
    if len(digest_bytes) != _DIGEST_BYTES:  # no password would ever match
        raise LocalProtocolError(f"not a scrypt hash: its digest needs {_DIGEST_BYTES} bytes")
    return (log_n, r, p), salt_bytes, digest_bytes


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    from hashlib import scrypt  # noqa: PLC0415 (loads OpenSSL)

    memory, secret = _MAX_MEMORY_BYTES, password.encode()
    return scrypt(secret, salt=salt, n=2**log_n, r=r, p=p, maxmem=memory, dklen=_DIGEST_BYTES)


def _is_same(one: bytes, other: bytes) -> bool:
    """Compare in constant time."""
    from hmac import compare_digest  # noqa: PLC0415 (as above)

    return compare_digest(one, other)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)

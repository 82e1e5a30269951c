"""The address of an engine: `redis://USER@HOST:PORT/DATABASE`, `rediss://...`, `unix:///PATH`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

DEFAULT_PORT: Final = 6379
_FORMS: Final = "redis://HOST:PORT/DATABASE, rediss://HOST:PORT/DATABASE or unix:///PATH"


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """The address of an engine, and the user and database there."""

    host: str = ""
    port: int = 0
    path: str = ""
    """The path of a Unix socket, in place of host and port."""
    user: str = ""
    database: int = 0
    is_tls: bool = False

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.is_tls else 'redis'}://{host}:{self.port}"

    def at(self, host: str, port: int) -> EngineAddress:
        """The same user, database and TLS on another host, which a sentinel has named."""
        return EngineAddress(host, port, "", self.user, self.database, self.is_tls)


def parse_engine(text: str) -> EngineAddress:
    """Read an address. Raises ValueError with the forms that are allowed."""
    parts = urlsplit(text)
    if parts.scheme == "unix" and parts.path.startswith("/"):
        return EngineAddress(path=unquote(parts.path), user=_user(parts.username, parts.password))
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.query:
        raise ValueError(f"is none of {_FORMS}")
    database = parts.path.strip("/") or "0"
    if not (database.isascii() and database.isdecimal()):
        raise ValueError(f"{database!r} is not the number of a database")
    return EngineAddress(
        parts.hostname,
        parts.port or DEFAULT_PORT,
        "",
        _user(parts.username, parts.password),
        int(database),
        parts.scheme == "rediss",
    )


def _user(name: str | None, password: str | None) -> str:
    if password is not None:
        raise ValueError("has a password, which other users may read: use password_file")
    return unquote(name or "")

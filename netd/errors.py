"""The whole error tree.

Everything netd raises on purpose derives from NetdError, so a process's edge can tell what
was foreseen from a fault of ours.
"""

from __future__ import annotations

from dataclasses import dataclass


class NetdError(Exception):
    """Something netd foresaw; its text is written for the person who meets it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a configuration: `netd.toml:14: listeners.web.workers: 0 is below 1`."""

    key: str  # dotted path, empty for a fault of the file as a whole
    message: str
    file: str = ""
    line: int = 0  # counted from 1; 0 where no line can be named

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(NetdError):
    """A configuration that cannot be used, with every problem found in it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class ProtocolError(NetdError):
    """A peer (or our own caller) broke a protocol's rules."""


class LocalProtocolError(ProtocolError):
    """Our side asked for something the protocol does not allow: a bug of ours."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something the protocol does not allow.

    `status` is what to answer it with, in the protocol's own numbers (HTTP 400, ...).
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class BindError(NetdError):
    """An address that cannot be listened on."""


class ControlError(NetdError):
    """The daemon cannot be reached, or refused a request."""


class ApplyError(NetdError):
    """A configuration that passed every check but could not be put to work."""

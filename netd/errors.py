"""The whole error tree.

Every error that netd raises on purpose derives from NetdError, so the entry point of a process
can distinguish an expected error from a bug.
"""

from __future__ import annotations

from dataclasses import dataclass


class NetdError(Exception):
    """An expected error; its text is written for the user."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a configuration: `netd.toml:14: listeners.web.workers: 0 is below 1`."""

    key: str  # dotted path; empty for a fault of the whole file
    message: str
    file: str = ""
    line: int = 0  # counted from 1; 0 if no line can be named
    is_warning: bool = False  # a warning does not keep the configuration from being used

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        label = "warning" if self.is_warning else ""
        text = ": ".join(part for part in (place, self.key, label, self.message) if part)
        return text.replace("\n", "\\n")  # a key or a path may hold one


class ConfigError(NetdError):
    """A configuration cannot be used; holds every problem found in it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class ProtocolError(NetdError):
    """A peer, or the calling code, broke a protocol's rules."""


class LocalProtocolError(ProtocolError):
    """The calling code did something that the protocol does not allow: a bug in netd."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol does not allow.

    `status` is the status code to reply with, in the protocol's own numbers (HTTP 400, ...).
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class SystemFailureError(NetdError):
    """A system call failed that the daemon cannot run without."""


class BindError(NetdError):
    """An address cannot be listened on; `errno` is that of the system call, 0 if there is none."""

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(message)
        self.errno = errno


class UsageError(NetdError):
    """A command line, or what was typed at its prompt, cannot be used."""


class IdentityError(NetdError):
    """This process may not take the identity of a user, or there is no such user."""


class ControlError(NetdError):
    """The daemon cannot be reached, or refused a request."""


class NotifyError(NetdError):
    """The service manager did not take a message, or its descriptor store is full."""


class ReloadError(NetdError):
    """A configuration passed every check but could not be put in force."""


class DescriptorLimitError(ReloadError):
    """This process would need more descriptors than it may open."""


class StateError(NetdError):
    """A saved state cannot be used: it is damaged, or of a version that netd does not know."""

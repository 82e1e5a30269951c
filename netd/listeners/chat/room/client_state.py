"""The parts of a client's state: its registration, its SASL exchange and its password check."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ClientState(enum.Enum):
    """The state of a client in the room."""

    REGISTERING = enum.auto()
    REGISTERED = enum.auto()
    GONE = enum.auto()


@dataclass(slots=True)
class Registration:
    """The state of a client's registration, until the welcome."""

    password: str = ""
    is_negotiating: bool = False  # between CAP LS or REQ and CAP END
    password_is_right: bool = False
    has_user: bool = False
    resume_token: str = ""  # of the place that the client wants back


@dataclass(slots=True)
class SaslExchange:
    """A SASL exchange in progress; no mechanism means none."""

    mechanism: str = ""
    data: str = ""


class CheckPurpose(enum.Enum):
    """The purpose of a password check; the value is its name in the log."""

    CONNECT = "PASS"
    SASL = "SASL"
    OPER = "OPER"


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """A password check in progress, and the data that is needed to continue after it."""

    purpose: CheckPurpose
    name: str  # of the account or operator
    label: str  # of the line that caused it (labeled-response)

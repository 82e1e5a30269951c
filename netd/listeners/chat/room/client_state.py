"""The parts of a client's state: its registration, its SASL exchange and its password check."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from netd.protocols.password import Verdict


class ClientState(enum.Enum):
    """The state of a client in the room."""

    REGISTERING = enum.auto()
    REGISTERED = enum.auto()
    GONE = enum.auto()


@dataclass(frozen=True, slots=True)
class Registration:
    """The state of a client's registration, until the welcome."""

    password: str = ""
    is_negotiating: bool = False  # between CAP LS or REQ and CAP END
    password_is_right: bool = False
    has_user: bool = False
    resume_token: str = ""  # of the place that the client wants back
    claims: str = ""  # the proof of the place that it wants back from another host
    refused_nick: str = ""  # the last one, which another client has


@dataclass(frozen=True, slots=True)
class SaslExchange:
    """A SASL exchange in progress; no mechanism means none."""

    mechanism: str = ""
    data: str = ""
    client_first: str = ""  # SCRAM: the first message of the client
    server_first: str = ""  # SCRAM: the reply to it
    account: str = ""  # SCRAM: whose password the client has proved to know


NO_REGISTRATION: Final = Registration()
"""Nothing has come yet, or all is complete; all registered clients share it."""
NO_SASL: Final = SaslExchange()
"""No exchange; most clients share it."""


class CheckPurpose(enum.Enum):
    """The purpose of a password check; the value is its name in the log."""

    CONNECT = "PASS"
    SASL = "SASL"
    SCRAM = "SCRAM"
    OPER = "OPER"
    IDENTIFY = "IDENTIFY"
    SET = "SET"
    NEW_KEYS = "NO_REGISTRATION"  # they are made; no password is compared
    DROP = "DROP"
    REGISTER = "REGISTER"
    NICKSERV_REGISTER = "NS-REGISTER"
    SAREGISTER = "SAREGISTER"
    SASET = "SASET"


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """A password check in progress, and the data that is needed to continue after it."""

    purpose: CheckPurpose
    name: str  # of the account or operator
    label: str  # of the line that caused it (labeled-response)
    detail: str = ""  # what the command needs later, such as a new password


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """A password check that is complete."""

    check: PasswordCheck
    verdict: Verdict
    result: str = ""  # of work beside a comparison: a reply of SCRAM, or keys to store

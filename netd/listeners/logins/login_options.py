"""The options of the kinds that check passwords."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Interval

from netd.config.model import ListenerOptions
from netd.config.units import Duration


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginOptions(ListenerOptions):
    """The further options of a kind that checks passwords."""

    max_waiting_logins: Annotated[int, Ge(1)] = 64
    """The number of password checks that may wait in each worker, which does one at a time. When
    more wait, those from the addresses with most wrong passwords, or else with most requests, are
    refused first."""

    max_waiting_logins_per_address: Annotated[int, Ge(1)] = 16
    """The number of password checks from one address, or one IPv6 /64 network, that may wait."""

    max_login_delay: Annotated[Duration, Interval(ge=0, le=3600)] = 8.0
    """The longest delay of the next password check from an address that sent wrong passwords: the
    delay is 1 second after the first wrong password and doubles with each further one. A check that
    would be delayed by more than 10 seconds is refused. One wrong password is forgiven each minute.
    0 for no delay."""

"""The servers that the same attacks are made on, and the clients that they serve meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.bench.attacks_load import Attack
from tests.bench.attacks_victims import Service


@dataclass(frozen=True, slots=True)
class Server:
    """A server under attack."""

    serve: Callable[[], AbstractContextManager[int]]
    """Starts the server; gives its port."""
    needs: str = ""
    """The program that must be installed; empty for netd."""
    within_s: float = 30.0
    """How long the server may take to admit the clients that prepare a row."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Clients that make attacks costly: they only read."""

    count: int
    greet: Callable[[int], bytes]
    greeted: bytes = b"joined\r\n"


@dataclass(frozen=True, slots=True)
class Setup:
    """Servers, their innocent clients and their attackers."""

    title: str
    servers: Mapping[str, Server]
    attacks: tuple[Attack, ...]
    victims: Service
    crowd: Crowd
    settle: Callable[[int], bool]
    """Waits until a server has forgotten the clients of the previous attack; False if it does not
    do so in time."""

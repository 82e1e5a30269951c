"""A daemon with every kind of listener, and the clients of it that must notice nothing."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from netd.protocols.password import hash_password
from tests.handover.content import content
from tests.handover.record import Spec
from tests.support import find_free_port

ACCOUNT: Final = "keeper"
PASSWORD: Final = "a password"
FILES: Final = {"small": 10_000, "middle": 300_000, "large": 6_000_000}

_TEXT: Final = """\
[netd]
drain_timeout = "{drain_s}s"

[listeners.fork]
kind = "echo"
address = [
  "tcp://127.0.0.1:{fork}", "unix://{directory}/fork",
  "udp://127.0.0.1:{fork}", "unixgram://{directory}/fork.dgram",
]
concurrency = "{first}"

[listeners.thread]
kind = "echo"
address = ["tcp://127.0.0.1:{thread}", "unix://{directory}/thread"]
concurrency = "{second}"

[listeners.lounge]
kind = "chat"
address = ["tcp://127.0.0.1:{lounge}", "unix://{directory}/lounge"]
poller = "epoll"
replay_lines = 0
history_file = "{directory}/history"
flood_rate = 0
registration_timeout = "120s"
max_clients_per_account = 50
motd = "{motd}"
accounts = [{{ name = "{account}", password = "{hash}" }}]

[listeners.calm]
kind = "chat"
address = "unix://{directory}/calm"
motd = "{motd}"

[listeners.web]
kind = "http"
address = ["tcp://127.0.0.1:{web}", "unix://{directory}/web"]
workers = {workers}
keepalive_timeout = "{keepalive_s}s"
header_timeout = "60s"
body_timeout = "60s"

[[listeners.web.routes]]
path = "/hello"
text = "hello"

[[listeners.web.routes]]
path = "/echo"
echo = "body"

[[listeners.web.routes]]
path = "/"
directory = "{directory}/www"
"""


@dataclass(slots=True)
class Scenario:
    """The configuration of a daemon in a directory, at ports of its own, and its clients."""

    directory: Path
    generation: int = 0
    """The number of reloads so far that needed new workers."""
    drain_s: int = 2
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write the files to serve, and choose the ports."""
        pages = self.directory / "www"
        pages.mkdir()
        for name, size in FILES.items():
            (pages / name).write_bytes(content(size))
        while len(set(self.ports.values())) < 4:
            self.ports = {name: find_free_port() for name in ("fork", "thread", "lounge", "web")}

    def text(self) -> str:
        """The configuration.

        Each generation changes an option of each listener; those of echo need new workers, those of
        the others only with `tests.handover.replacing_netd`.
        """
        concurrency = ("fork", "thread")
        return _TEXT.format(
            directory=self.directory,
            first=concurrency[self.generation % 2],
            second=concurrency[(self.generation + 1) % 2],
            motd=f"generation {self.generation}",
            workers=1 + self.generation % 2,
            drain_s=self.drain_s,
            keepalive_s=60 + self.generation,
            account=ACCOUNT,
            hash=_hash(),
            **self.ports,
        )

    def specs(self, *, members: int = 6, held: int = 3) -> list[Spec]:
        """All clients: few of each type."""
        return [*self.echo_specs(held), *self.web_specs(held), *self.chat_specs(members)]

    def echo_specs(self, held: int) -> list[Spec]:
        """Clients of echo, by fork and by thread, TCP and Unix."""
        specs = []
        for name in ("fork", "thread"):
            for scheme in ("tcp", "unix"):
                address = self.address(name, scheme)
                group = f"{name} {scheme}"
                specs += [
                    Spec("echo held", address, held, f"echo held {group}"),
                    Spec("echo new", address, 1, f"echo new {group}"),
                    Spec("echo bulk", address, 1, f"echo bulk {group}", {"pace_s": 0.01}),
                    Spec("echo slow", address, 1, f"echo slow {group}"),
                    Spec("echo half-closed", address, 1, f"echo half-closed {group}"),
                ]
        for address in (
            f"udp://127.0.0.1:{self.ports['fork']}",
            self.address("fork.dgram", "unixgram"),
        ):
            specs.append(Spec("echo datagram", address, 1, f"echo datagram {address[:4]}"))
        return specs

    def web_specs(self, held: int) -> list[Spec]:
        """Clients of HTTP."""
        small = {"/hello": "hello", "/small": f"content:{FILES['small']}"}
        middle = {"/middle": f"content:{FILES['middle']}"}
        large = {"/large": f"content:{FILES['large']}"}
        web = self.address("web")
        return [
            Spec("http kept", web, held, "http kept", {"paths": small}),
            Spec("http kept", self.address("web", "unix"), 1, "http kept unix", {"paths": small}),
            Spec("http new", web, 1, "http new", {"paths": small}),
            Spec("http pipelined", web, 1, "http pipelined", {"paths": middle}),
            Spec("http download", web, 2, "http download", {"paths": large}),
            Spec("http post", web, 1, "http post", {"paths": {"/echo": "content:200000"}}),
            Spec("http split body", web, 6, "", {"paths": {"/echo": "content:90000"}}),
            Spec("http split", web, 12, "http split", {"paths": {"/hello": "hello"}}),
            Spec("http half-closed", web, 2, "http half-closed", {"paths": middle}),
        ]

    def chat_specs(self, members: int, pace_s: float = 0.3) -> list[Spec]:
        """Members of the chat."""
        lounge, local = self.address("lounge"), self.address("lounge", "unix")
        login = {"account": ACCOUNT, "password": PASSWORD}
        return [
            Spec("chat member", lounge, members, "chat member", {"pace_s": pace_s}),
            Spec("chat member", local, 2, "chat member unix", {"prefix": "u", "pace_s": pace_s}),
            Spec("chat watcher", lounge, 1, "chat watcher"),
            Spec("chat split", lounge, 40, "chat split"),
            Spec("chat stopped", lounge, 1, "chat stopped"),
            Spec("chat stopped", local, 1, "chat stopped unix"),
            Spec("chat held back", self.address("calm", "unix"), 2),
            Spec("chat sasl", lounge, 12, "chat sasl", login),
        ]

    def content_of(self, name: str) -> str:
        """What a file of the web listener has, as `tests.handover.content.body` takes it."""
        return f"content:{FILES[name]}"

    def address(self, name: str, scheme: str = "tcp") -> str:
        """An address of a listener."""
        if scheme.startswith("unix"):
            return f"{scheme}://{self.directory}/{name}"
        return f"tcp://127.0.0.1:{self.ports[name]}"


@functools.cache
def _hash() -> str:
    return hash_password(PASSWORD, b"0123456789abcdef")

"""What members notice when the servers of a chat cannot reach each other for some seconds.

Between the servers of IRC their link is cut; a host of netd is cut off the engine. A member of each
side talks on, and on each side a client takes the same nick. `lost` are lines that have not reached
the member of the other side when all is well again, `late` those that took more than a second;
`quits` are members that seemed to leave; `collided` are clients of the two with one nick that were
disconnected or renamed after they had been let in.
"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from tests.bench.cluster_member import Member
from tests.bench.cluster_networks import Network, Start, inspircds, netds, ngircds
from tests.cluster.relay import Mode
from tests.programs import find

_CUT_S: Final = 5.0
_BEFORE_S: Final = 1.0
_AFTER_S: Final = 15.0  # peers connect again within five seconds
_REST_S: Final = 5.0  # without talk, for the lines under way
_PACE_S: Final = 0.1
_LATE_S: Final = 1.0
_LINE: Final = re.compile(rb" PRIVMSG #bench :from (\w+) at ([\d.]+)$")
_RENAMED: Final = re.compile(rb":twin!\S* NICK :?\S+$|^ERROR|:\S+ KILL ")


class _Witness:
    """A client, and the lines that it has got."""

    def __init__(self, port: int, nick: str) -> None:
        self.member = Member(port, nick)
        self.said = 0
        self.lines: list[tuple[float, bytes]] = []
        self.is_open = True
        self._partial = b""

    def say(self) -> None:
        self.member.send(f"PRIVMSG #bench :from {self.member.nick} at {time.monotonic():.3f}")
        self.said += 1

    def read(self) -> None:
        data = self.member.sock.recv(1 << 16)
        self.is_open = bool(data)
        *lines, self._partial = (self._partial + data).split(b"\r\n")
        now = time.monotonic()
        self.lines += [(now, line) for line in lines]

    @property
    def delays(self) -> list[float]:
        """How long each line of the other side took."""
        found = [(at, _LINE.search(line)) for at, line in self.lines]
        return [at - float(match[2]) for at, match in found if match]

    @property
    def has_collided(self) -> bool:
        """Whether it was let in, and then disconnected or renamed."""
        lines = [line for _, line in self.lines]
        is_in = any(b" 001 " in line for line in lines)
        return is_in and (not self.is_open or any(map(_RENAMED.search, lines)))


def report() -> Iterator[str]:
    """The lines of a Markdown table."""
    servers: dict[str, Start] = {
        "netd, 2 hosts": partial(netds, 2, with_relay=True),
        **({"ngircd, 2 linked": partial(ngircds, with_relay=True)} if find("ngircd") else {}),
        **({"InspIRCd, 2 linked": partial(inspircds, with_relay=True)} if find("inspircd") else {}),
    }
    yield f"| servers, cut for {_CUT_S:g} s | lines said | lost | late | quits | collided |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, start in servers.items():
        with start() as network:
            yield f"| {name} | {_measure(network)} |"


def _measure(network: Network) -> str:
    assert network.relay is not None
    talkers = [_Witness(port, f"m{place}") for place, port in enumerate(network.ports)]
    for talker in talkers:
        talker.member.await_joined()
    _run(talkers, talkers, _BEFORE_S)
    network.relay.set_mode(Mode.CUT)
    _run(talkers, talkers, _CUT_S / 2)
    twins = [_Witness(port, "twin") for port in network.ports]
    _run(talkers, [*talkers, *twins], _CUT_S / 2)
    network.relay.set_mode(Mode.PASS)
    _run(talkers, [*talkers, *twins], _AFTER_S)
    _run((), [*talkers, *twins], _REST_S)
    said, delays = sum(talker.said for talker in talkers), [d for t in talkers for d in t.delays]
    late = sum(delay > _LATE_S for delay in delays)
    quits = sum(b" QUIT" in line and line[:2] == b":m" for t in talkers for _, line in t.lines)
    collided = sum(twin.has_collided for twin in twins)
    for witness in (*talkers, *twins):
        witness.member.close()
    return f"{said} | {said - len(delays)} | {late} | {quits} | {collided}"


def _run(talkers: Sequence[_Witness], readers: Sequence[_Witness], seconds: float) -> None:
    """Let the talkers say a line now and then, and all readers read."""
    end, next_at = time.monotonic() + seconds, time.monotonic()
    while (now := time.monotonic()) < end:
        if now >= next_at:
            next_at += _PACE_S
            for talker in talkers:
                talker.say()
        reading = {witness.member.sock: witness for witness in readers if witness.is_open}
        for sock in select.select(list(reading), [], [], max(0.0, min(next_at, end) - now))[0]:
            reading[sock].read()

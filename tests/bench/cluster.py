"""A chat on one to three hosts, and with two workers, beside linked IRC servers: speed and memory.

All processes run on one machine, so more hosts share its processors. There are two loads: senders
that send as they can, and a few that send at a steady pace.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from tests.bench import cluster_cut, cluster_storm
from tests.bench.cluster_member import Member
from tests.bench.cluster_networks import Network, Start, inspircds, netds, ngircds
from tests.bench.usage import memory_kib
from tests.programs import find

_MEMBERS: Final = 100  # on each host
_SENDERS: Final = 10  # on each host
_LINES: Final = 300  # of each sender
_PEER_LINES: Final = 60  # of each sender to a peer, which takes seconds for them
_END: Final = b":the end\r\n"
_PACED: Final = 500  # lines of the paced load
_PACED_SENDERS: Final = 4
_PACE_S: Final = 0.01
_REMOTE: Final = 2000  # members of another host
_WAIT_S: Final = 120.0


def report(only: str = "") -> Iterator[str]:
    """The lines of Markdown tables."""
    servers: dict[str, Start] = {
        "netd": partial(netds, 1),
        "netd, 2 workers": partial(netds, 1, workers=2),
        "netd, 2 hosts": partial(netds, 2),
        "netd, 3 hosts": partial(netds, 3),
        **({"ngircd, 2 linked": ngircds} if find("ngircd") else {}),
        **({"InspIRCd, 2 linked": inspircds} if find("inspircd") else {}),
    }
    figures = "lines/s | deliveries/s | p50, ms | p99, ms | KiB a member elsewhere"
    if only in "speed":
        yield f"| servers | members | {figures} |"
        yield "|---|--:|--:|--:|--:|--:|--:|"
        for name, start in servers.items():
            try:
                with start() as network:
                    yield _row(name, network)
            except TimeoutError as error:
                yield f"| {name} | | {error} | | | | |"
        yield ""
    if only in "cut":
        yield from cluster_cut.report()
        yield ""
    if only in "storm":
        yield from cluster_storm.report()


def _row(name: str, network: Network) -> str:
    members = _join_all(network.ports)
    latencies = sorted(_paced_latencies(members))
    is_netd = name.startswith("netd")
    count = _LINES if is_netd else _PEER_LINES
    lines_s = _measure_lines(members, len(network.ports), count)
    for member in members:
        member.close()
    # A peer makes members known to the other one too slowly: ngircd needs seconds for a hundred.
    memory = f"{_remote_memory(network):.1f}" if is_netd and len(network.ports) > 1 else ""
    others = len(members) - 1
    p50, p99 = (1000 * latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
    figures = f"{lines_s:,.0f} | {lines_s * others:,.0f} | {p50:.2f} | {p99:.2f} | {memory}"
    return f"| {name} | {len(members)} | {figures} |"


def _join_all(ports: Sequence[int]) -> list[Member]:
    members = [
        Member(port, f"m{place}x{number}")
        for place, port in enumerate(ports)
        for number in range(_MEMBERS)
    ]
    for member in members:
        member.await_joined()
    # A linked server sends a line only to servers of which it knows that they have a member in the
    # channel. The first server learns that later than the member itself.
    members[0].await_text(f":{members[-1].nick}!".encode())
    _synchronize(members)
    return members


def _synchronize(members: Sequence[Member]) -> None:
    """Wait until all have got what came before."""
    members[0].send("PRIVMSG #bench :synchronize")
    for member in members[1:]:
        member.await_text(b":synchronize\r\n")


def _paced_latencies(members: Sequence[Member]) -> list[float]:
    """The times of lines from members of the first host to the last member of the last host."""
    latencies: list[float] = []
    receiver, sent, partial_line = members[-1].sock, 0, b""
    begin = time.perf_counter()
    while len(latencies) < _PACED:
        wait_s = begin + sent * _PACE_S - time.perf_counter() if sent < _PACED else _WAIT_S
        if wait_s <= 0:
            sender = members[sent % _PACED_SENDERS]
            sender.send(f"PRIVMSG #bench :at {time.perf_counter():.6f}")
            sent += 1
        elif select.select([receiver], [], [], wait_s)[0]:
            *lines, partial_line = (partial_line + receiver.recv(1 << 16)).split(b"\r\n")
            now = time.perf_counter()
            latencies += [now - float(line.rpartition(b":at ")[2]) for line in lines]
        _check_time(begin)
    return latencies


def _check_time(started: float) -> None:
    """Raise TimeoutError if all lines should have come by now."""
    if time.perf_counter() > started + _WAIT_S:
        raise TimeoutError("lines are missing")


def _measure_lines(members: Sequence[Member], hosts: int, count: int) -> float:
    """Lines/s until all members have all lines; the senders of all hosts send as they can."""
    senders = [
        members[place * _MEMBERS + number] for place in range(hosts) for number in range(_SENDERS)
    ]
    text = b"".join(b"PRIVMSG #bench :%03d xxxxxxxxxxxxxxxxxxxxxxxx\r\n" % n for n in range(count))
    poll = select.epoll()
    left = {member.sock.fileno(): len(senders) - (member in senders) for member in members}
    sockets = {member.sock.fileno(): member.sock for member in members}
    unsent = {sender.sock.fileno(): text + b"PRIVMSG #bench :the end\r\n" for sender in senders}
    ends = dict.fromkeys(sockets, b"")  # the last bytes, which may be the first half of a line
    for fd, sock in sockets.items():
        sock.setblocking(False)
        poll.register(fd, select.EPOLLIN | (select.EPOLLOUT if fd in unsent else 0))
    started = time.perf_counter()
    while any(left.values()):
        _check_time(started)
        for fd, mask in poll.poll(1.0):
            if mask & select.EPOLLOUT:
                unsent[fd] = unsent[fd][sockets[fd].send(unsent[fd]) :]
                if not unsent[fd]:
                    poll.modify(fd, select.EPOLLIN)
            if mask & select.EPOLLIN:
                received = sockets[fd].recv(1 << 20)
                assert received, "the server closed a connection"
                data = ends[fd] + received
                left[fd] -= data.count(_END)
                ends[fd] = data[max(data.rfind(_END) + 1, len(data) - len(_END) + 1) :]
    seconds = time.perf_counter() - started
    poll.close()
    for sock in sockets.values():
        sock.setblocking(True)
    return len(senders) * (count + 1) / seconds


def _remote_memory(network: Network) -> float:
    """The memory that a member of the first host takes on the last one, in KiB."""
    before = memory_kib(network.pids[-1])["Rss"]
    storm = [Member(network.ports[0], f"s{number}") for number in range(_REMOTE)]
    for member in storm:
        member.await_joined()
    watcher = Member(network.ports[-1], "watcher")
    watcher.await_joined()
    after = memory_kib(network.pids[-1])["Rss"]
    for member in (*storm, watcher):
        member.close()
    return (after - before) / _REMOTE

"""The modules that WebSockets need are loaded before a worker is ready, if it will get any."""

from __future__ import annotations

import subprocess
import sys

import pytest

_CODE = """
import socket, sys
from types import SimpleNamespace
from netd.config.schema import read_options
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.service import ChatService
from netd.protocols.handoff import Handoff, format_handoff
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller

HEAD = (
    b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n"
    b"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n"
)
entry, exit_ = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
exit_.setblocking(False)
daemon = SimpleNamespace(
    handoff_queues={"chat": exit_}, gets_handoffs=GETS_HANDOFFS, datagram_names=(), worker_number=0
)
options = read_options(ChatOptions, {"kind": "chat", "address": "tcp://127.0.0.1:0"})
loop = Loop(EpollPoller())
service = ChatService(loop, options, [], daemon)
print("wsproto" in sys.modules)
before = set(sys.modules)
client, near = socket.socketpair()
record = format_handoff(Handoff("127.0.0.1", False, "", is_relayed=False, received=HEAD))
socket.send_fds(entry, [record], [near.fileno()])
while not service.counters().totals["accepted"]:
    loop.turn()
client.setblocking(False)
while True:
    loop.turn()
    try:
        assert client.recv(1000).startswith(b"HTTP/1.1 101")
        break
    except BlockingIOError:
        continue
print(*sorted(set(sys.modules) - before))
"""


def _modules(*, gets_handoffs: bool) -> tuple[bool, list[str]]:
    """Whether wsproto is loaded at the start, and what the first hand-off loads."""
    code = _CODE.replace("GETS_HANDOFFS", str(gets_handoffs))
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not run.returncode, run.stderr
    at_start, later = run.stdout.split("\n")[:2]
    return at_start == "True", later.split()


@pytest.mark.parametrize("gets_handoffs", [True, False])
def test_the_first_hand_off_loads_nothing_if_the_configuration_has_hand_offs(
    *, gets_handoffs: bool
) -> None:
    at_start, later = _modules(gets_handoffs=gets_handoffs)
    assert at_start == gets_handoffs
    assert bool(later) != gets_handoffs, later

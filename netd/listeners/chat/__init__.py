"""The chat listener: an IRC server, whose worker processes are one chat by an engine.

`service` accepts connections (`gatekeeper`, `session`). `room_driver` gives their lines to the room
(`room/`, which does no input or output), in turn (`backlog`), and carries out the effects that it
returns. `fanout` sends a channel's messages to the clients of its members. `channel_store` keeps
the room in a database (`storage/`). `handover_driver` lets another process continue, with the state
of `saved_chat`; `cluster_driver` shares the room with other hosts (`cluster/`). `hooks/` lets
scripts post and read.
"""

from __future__ import annotations

from netd.config.address import STREAM_SCHEMES, Address, Scheme
from netd.listeners.chat.check import check
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.probe import probe
from netd.listeners.kind import Kind, StartService


def hint(address: Address, options: ChatOptions) -> str:
    """A netd-chat command that connects to the address."""
    tls = " --tls" if options.is_tls(address) else ""
    if address.scheme is Scheme.TCP:
        host = address.to_loopback().host
        return f"netd-chat --name bob --host {host} --port {address.port}{tls}"
    return f"netd-chat --name bob {address}{tls}"


def load_service() -> StartService[ChatOptions]:
    """The class of the service."""
    from netd.listeners.chat.service import ChatService  # noqa: PLC0415 (see Kind)

    return ChatService


KIND = Kind(
    name="chat",
    options=ChatOptions,
    load_service=load_service,
    probe=probe,
    hint=hint,
    schemes=STREAM_SCHEMES,
    hands_over=True,
    takes_handoffs=True,
    keeps_snapshots=True,
    example_address="tcp://127.0.0.1:6667",
    check=check,
)

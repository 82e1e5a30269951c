"""The chat listener: one room anybody can reach, with any IRC client."""

from __future__ import annotations

from netd.config.address import STREAM_SCHEMES, Address, Scheme
from netd.config.model import ListenerOptions
from netd.listeners.base import Kind
from netd.listeners.chat.check import check
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.probe import probe
from netd.listeners.chat.service import ChatService


def hint(address: Address, options: ListenerOptions) -> str:
    """How to try the listener by hand."""
    assert isinstance(options, ChatOptions)
    tls = " --tls" if options.is_tls(address) else ""
    if address.scheme is Scheme.TCP:
        host = "127.0.0.1" if address.host in ("0.0.0.0", "::") else address.host  # noqa: S104
        return f"netd-chat --name bob --host {host} --port {address.port}{tls}"
    return f"netd-chat --name bob {address}{tls}"


KIND = Kind(
    name="chat",
    options=ChatOptions,
    service=ChatService,
    probe=probe,
    hint=hint,
    schemes=STREAM_SCHEMES,
    max_workers=1,
    check=check,
)

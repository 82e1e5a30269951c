"""The chat listener: one room anybody can reach, with any IRC client."""

from __future__ import annotations

from netd.config.address import STREAM_SCHEMES, Address, Scheme
from netd.listeners.chat.check import check
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.probe import probe
from netd.listeners.chat.service import ChatService
from netd.listeners.kind import Kind


def hint(address: Address, options: ChatOptions) -> str:
    """How to try the listener by hand."""
    tls = " --tls" if options.is_tls(address) else ""
    if address.scheme is Scheme.TCP:
        host = address.to_loopback().host
        return f"netd-chat --name bob --host {host} --port {address.port}{tls}"
    return f"netd-chat --name bob {address}{tls}"


KIND = Kind(
    name="chat",
    options=ChatOptions,
    start=ChatService,
    probe=probe,
    hint=hint,
    schemes=STREAM_SCHEMES,
    max_workers=1,
    example_address="tcp://127.0.0.1:6667",
    check=check,
)

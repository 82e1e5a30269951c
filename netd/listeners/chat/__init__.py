"""The chat listener: one room anybody can reach, with any IRC client."""

from __future__ import annotations

from netd.config.address import STREAM_SCHEMES, Address, Scheme
from netd.config.model import ListenerOptions
from netd.errors import Problem
from netd.listeners.base import Kind, Service
from netd.listeners.chat.option import ChatOptions
from netd.listeners.chat.probe import probe
from netd.runtime.loop import Loop


def make_service(loop: Loop) -> Service:
    """The service of a worker; its code is loaded where it runs."""
    from netd.listeners.chat.service import ChatService  # noqa: PLC0415 (only a worker needs it)

    return ChatService(loop)


def hint(address: Address) -> str:
    """How to try the listener by hand."""
    if address.scheme is Scheme.TCP:
        host = "127.0.0.1" if address.host in ("0.0.0.0", "::") else address.host  # noqa: S104
        return f"netd-chat --name bob --host {host} --port {address.port}"
    return f"netd-chat --name bob {address}"


def check(options: ListenerOptions) -> tuple[Problem, ...]:
    """What of the options this machine's files, or no reader, can make sense of."""
    from netd.listeners.chat.check import problems  # noqa: PLC0415 (loads TLS only when asked)

    assert isinstance(options, ChatOptions)
    return tuple(problems(options))


KIND = Kind(
    name="chat",
    options=ChatOptions,
    service=make_service,
    probe=probe,
    hint=hint,
    schemes=STREAM_SCHEMES,
    max_workers=1,
    check=check,
)

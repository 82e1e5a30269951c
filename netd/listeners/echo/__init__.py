"""Echo: what comes in goes back (RFC 862), over streams and datagrams."""

from __future__ import annotations

from typing import Final

from netd.listeners.base import Kind
from netd.listeners.echo.options import EchoOptions
from netd.listeners.echo.probe import hint, probe
from netd.listeners.echo.service import EchoService

KIND: Final = Kind(name="echo", options=EchoOptions, service=EchoService, probe=probe, hint=hint)

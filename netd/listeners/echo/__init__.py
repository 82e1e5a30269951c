"""The echo listener (RFC 862): returns all received bytes, over streams and datagrams."""

from __future__ import annotations

from typing import Final

from netd.listeners.echo.options import EchoOptions
from netd.listeners.echo.probe import hint, probe
from netd.listeners.echo.service import EchoService
from netd.listeners.kind import Kind

KIND: Final = Kind(
    name="echo",
    options=EchoOptions,
    start=EchoService,
    probe=probe,
    hint=hint,
    hands_over=True,
    example_address="tcp://127.0.0.1:7007",
)

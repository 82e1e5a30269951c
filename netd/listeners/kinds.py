"""The kinds of listener that netd has: a new kind is one module here and one name in this tuple."""

from __future__ import annotations

from typing import Final

from netd.listeners import chat, echo, http
from netd.listeners.kind import AnyKind

KINDS: Final[dict[str, AnyKind]] = {module.KIND.name: module.KIND for module in (echo, chat, http)}

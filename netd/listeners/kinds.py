"""Every kind of listener there is: a new kind is one module here and one name in this tuple."""

from __future__ import annotations

from typing import Final

from netd.listeners import chat, echo, http
from netd.listeners.base import Kind

KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in (echo.KIND, chat.KIND, http.KIND)}

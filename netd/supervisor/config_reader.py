"""Reads the configuration in a subprocess, without blocking the loop.

pydantic, its schemas and the TLS library that checks certificates need as much memory as the rest
of the daemon. The system gets that memory back when the subprocess ends. Its time and its memory
are limited, for any content of the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from netd.config.model import Config
from netd.config.serialize import deserialize_config, serialize
from netd.errors import ConfigError, NetdError, Problem, ReloadError
from netd.listeners.kind import AnyKind
from netd.runtime.child_call import ChildCall
from netd.runtime.loop import Loop

_TIMEOUT_S: Final = 60.0  # a system that is very busy needs long to import pydantic
_MAX_CPU_S: Final = 15
_MAX_MEMORY_BYTES: Final = 2**30

OnRead = Callable[[Config | NetdError], object]


class ConfigReader:
    """Calls `read` in a subprocess each time `begin` is called."""

    def __init__(
        self, loop: Loop, read: Callable[[], Config], kinds: Mapping[str, AnyKind]
    ) -> None:
        self._loop = loop
        self._read = read
        self._options = {name: kind.options for name, kind in kinds.items()}

    def begin(self, on_read: OnRead) -> None:
        """Read the file; `on_read` gets the configuration or the error.

        The error is the ConfigError that `read` raised, or a ReloadError if the subprocess failed.
        """
        try:
            ChildCall(
                self._loop,
                lambda: _result(self._read),
                lambda outcome: on_read(self._parse(outcome)),
                timeout_s=_TIMEOUT_S,
                max_cpu_s=_MAX_CPU_S,
                max_memory_bytes=_MAX_MEMORY_BYTES,
            )
        except OSError as error:
            on_read(_failure(error))

    def _parse(self, outcome: bytes | OSError) -> Config | NetdError:
        if isinstance(outcome, OSError):
            return _failure(outcome)
        data: dict[str, Any] = json.loads(outcome)
        if "failure" in data:
            return ReloadError(f"the configuration cannot be read: {data['failure']}")
        if "problems" in data:
            return ConfigError(_problems(data["problems"]))
        return deserialize_config(self._options, data)


def _problems(data: list[dict[str, Any]]) -> tuple[Problem, ...]:
    return tuple(Problem(**problem) for problem in data)


def _failure(error: OSError) -> ReloadError:
    return ReloadError(f"the configuration cannot be read: {error.strerror or error}")


def _result(read: Callable[[], Config]) -> bytes:
    try:
        data = serialize(read())
    except ConfigError as error:
        data = {"problems": [asdict(problem) for problem in error.problems]}
    except ImportError as error:  # pydantic is being upgraded, or was removed
        data = {"failure": str(error)}
    return json.dumps(data).encode()

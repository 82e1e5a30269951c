"""Reads the configuration in a subprocess.

pydantic, its schemas and the TLS library that checks certificates need as much memory as the rest
of the daemon. The subprocess takes that memory with it when it ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from netd.config.model import Config, DaemonOptions
from netd.config.serialize import deserialize, serialize
from netd.errors import ConfigError, Problem, ReloadError
from netd.listeners.kind import AnyKind
from netd.runtime import process

_TIMEOUT_S: Final = 30.0


def read_in_subprocess(read: Callable[[], Config], kinds: Mapping[str, AnyKind]) -> Config:
    """Call `read` in a subprocess and return its result.

    Raises the ConfigError that `read` raises, and ReloadError if the subprocess fails.
    """
    try:
        data: dict[str, Any] = json.loads(process.run_in_child(lambda: _result(read), _TIMEOUT_S))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReloadError(f"the configuration cannot be read: {reason}") from error
    if "problems" in data:
        raise ConfigError(_problems(data["problems"]))
    return Config(
        netd=deserialize(DaemonOptions, data["netd"]),
        listeners={
            name: deserialize(kinds[options["kind"]].options, options)
            for name, options in data["listeners"].items()
        },
        warnings=_problems(data["warnings"]),
    )


def _problems(data: list[dict[str, Any]]) -> tuple[Problem, ...]:
    return tuple(Problem(**problem) for problem in data)


def _result(read: Callable[[], Config]) -> bytes:
    try:
        data = serialize(read())
    except ConfigError as error:
        data = {"problems": [asdict(problem) for problem in error.problems]}
    return json.dumps(data).encode()

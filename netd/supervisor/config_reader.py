"""Reads the configuration in a process of its own.

What that takes (pydantic, the models, TLS to look at certificates) weighs as much as the rest of
the daemon, and ends with that process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from netd.config.model import Config, DaemonOptions
from netd.config.serialize import from_plain, to_plain
from netd.errors import ConfigError, Problem, ReloadError
from netd.listeners.kind import AnyKind
from netd.runtime import process

_PATIENCE_S: Final = 30.0


def read_apart(read: Callable[[], Config], kinds: Mapping[str, AnyKind]) -> Config:
    """What `read` returns. Raises the ConfigError it raises, ReloadError if it cannot be run."""
    try:
        answer: dict[str, Any] = json.loads(process.result_of(lambda: _answer(read), _PATIENCE_S))
    except OSError as error:
        why = error.strerror or str(error)
        raise ReloadError(f"the configuration cannot be read: {why}") from error
    if "problems" in answer:
        raise ConfigError(tuple(Problem(**each) for each in answer["problems"]))
    return Config(
        netd=from_plain(DaemonOptions, answer["netd"]),
        listeners={
            name: from_plain(kinds[options["kind"]].options, options)
            for name, options in answer["listeners"].items()
        },
    )


def _answer(read: Callable[[], Config]) -> bytes:
    try:
        answer = to_plain(read())
    except ConfigError as error:
        answer = {"problems": [asdict(each) for each in error.problems]}
    return json.dumps(answer).encode()

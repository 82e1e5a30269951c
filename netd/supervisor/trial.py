"""Runs the installed version of netd once, before it replaces the program of the daemon's process.

The installed version checks the configuration, and whether it reads the state of this version. So
the daemon does not give its clients to a program that could not serve them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Final

from netd.errors import NetdError, ReloadError
from netd.listeners.bundle import MAJOR
from netd.runtime.child_call import ChildCall
from netd.runtime.errnos import describe
from netd.runtime.loop import Loop
from netd.runtime.replace_process import own_command

STATE_FORMAT: Final = "NETD_STATE_FORMAT"
"""The variable that gives `netd check` the major version of the running daemon's state."""

_TIMEOUT_S: Final = 60.0  # as in ConfigReader, on a system that is very busy
_MAX_CPU_S: Final = 20  # of the installed version
_MAX_MEMORY_BYTES: Final = 2**30
_MAX_OUTPUT_CHARS: Final = 8192


def begin_trial(loop: Loop, on_done: Callable[[NetdError | None], object]) -> None:
    """Run `netd check` of the installed version; `on_done` gets its complaint, or None."""
    try:
        ChildCall(
            loop,
            _run_check,
            lambda outcome: on_done(_parse(outcome)),
            timeout_s=_TIMEOUT_S,
            max_cpu_s=_MAX_CPU_S,
            max_memory_bytes=_MAX_MEMORY_BYTES,
        )
    except OSError as error:
        on_done(_parse(error))


def trial_command() -> list[str]:
    """The command that checks, with the interpreter and the configuration of this process."""
    own = own_command()
    arguments = sys.argv[1:]
    program = own[: len(own) - len(arguments)]
    return [*program, "check", *arguments[1:]]


def _run_check() -> bytes:
    import subprocess  # noqa: PLC0415 (used for an upgrade only)

    done = subprocess.run(  # noqa: S603 (our own command)
        trial_command(),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, STATE_FORMAT: str(MAJOR)},
    )
    return json.dumps([done.returncode, done.stderr[:_MAX_OUTPUT_CHARS].strip()]).encode()


def _parse(outcome: bytes | OSError) -> NetdError | None:
    if isinstance(outcome, OSError):
        return ReloadError(f"the installed version cannot be tried: {describe(outcome)}")
    status, text = json.loads(outcome)
    if status == 0:
        return None
    return ReloadError(text or f"the installed version fails with exit status {status}")

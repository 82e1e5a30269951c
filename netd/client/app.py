"""The `netd-chat` command: reads the arguments, runs a front end, and exits.

Exit status: 0 delivered, 1 refused by the server or an output error, 2 invalid arguments or
settings, 3 no connection.
"""

from __future__ import annotations

import asyncio
import getpass
import io
import os
import selectors
import signal
import sys
from collections.abc import Coroutine, Mapping
from typing import Final, NoReturn, TypeVar

from netd.client.client_settings import ClientSettings, UsageError, read_settings
from netd.client.connector import RegistrationRefusedError
from netd.client.core.sanitize import sanitize
from netd.client.pipe import EX_DELIVERED, EX_REFUSED, Pipe
from netd.client.server_connection import CannotConnectError, ConnectionLostError

EX_USAGE: Final = 2
EX_NO_CONNECTION: Final = 3
EX_PIPE: Final = 128 + signal.SIGPIPE  # as a shell reports it

T = TypeVar("T")


def main() -> NoReturn:
    """Run the command line of this process."""
    _replace_closed_outputs()
    try:
        status = _run(sys.argv[1:], os.environ)
    except UsageError as error:
        status = _report(error, EX_USAGE)
    except RegistrationRefusedError as error:
        status = _report(error, EX_REFUSED)
    except (CannotConnectError, ConnectionLostError) as error:
        status = _report(error, EX_NO_CONNECTION)
    except BrokenPipeError:  # the reader of the output has ended, as in `netd-chat --json | head`
        _discard_output()
        status = EX_PIPE
    except OSError as error:  # of standard input or output, such as a full disk
        _discard_output()
        status = _report(error, EX_REFUSED)
    except KeyboardInterrupt:
        status = EX_DELIVERED
    sys.exit(status)


def _run(argv: list[str], environ: Mapping[str, str]) -> int:
    at_terminal = sys.stdin is not None and sys.stdin.isatty()
    settings = read_settings(argv, environ, _login(), at_terminal=at_terminal)
    if settings.text is None and sys.stdin is None:
        raise UsageError("standard input is closed; give a text with --send")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the locale may lack some characters
    if not settings.is_interactive:
        return _run_loop(_run_pipe(settings))
    _run_loop(_run_terminal(settings, environ))
    return EX_DELIVERED


async def _run_pipe(settings: ClientSettings) -> int:
    return await Pipe(settings).run()


async def _run_terminal(settings: ClientSettings, environ: Mapping[str, str]) -> None:
    from netd.client.screen.terminal import SurfaceKind, Terminal  # noqa: PLC0415 (scripts need none)

    can_draw = sys.stdout.isatty() and environ.get("TERM", "dumb") not in ("dumb", "unknown")
    drawn = SurfaceKind.LINE_EDITOR if settings.plain else SurfaceKind.FULL_SCREEN
    colors = can_draw and not environ.get("NO_COLOR")
    kind = drawn if can_draw else SurfaceKind.PLAIN_LINES
    await Terminal(settings, kind, environ, colors=colors).run()


def _run_loop(main_coroutine: Coroutine[object, object, T]) -> T:
    """Run the coroutine on select(2), which also takes a regular file as standard input."""
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        return runner.run(main_coroutine)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        return f"user{os.getuid()}"


def _replace_closed_outputs() -> None:
    """Open /dev/null in place of a closed standard output or error (`>&-`)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (until exit)


def _discard_output() -> None:
    """Discard printed output that cannot be written, before the flush at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(error: Exception, status: int) -> int:
    sys.stderr.write(f"netd-chat: {sanitize(str(error))}\n")
    return status

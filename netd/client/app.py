"""The `netd-chat` command: reads the arguments, chooses a front end, and exits.

The only place that decides an exit status: 0 delivered, 1 refused by the server, 2 a command
line or settings file that makes no sense, 3 no connection.
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

from netd.client.clean import clean
from netd.client.connection import CannotConnectError, LostError
from netd.client.pipe import Pipe
from netd.client.setting import Settings, UsageError, read
from netd.client.talk import NotAdmittedError
from netd.client.terminal import Terminal

EX_DELIVERED: Final = 0
EX_REFUSED: Final = 1
EX_USAGE: Final = 2
EX_NO_CONNECTION: Final = 3
EX_PIPE: Final = 128 + signal.SIGPIPE  # as a shell tells it

T = TypeVar("T")


def main() -> NoReturn:
    """Run the command line of this process."""
    _replace_closed()
    try:
        status = _run(sys.argv[1:], os.environ)
    except UsageError as error:
        status = _complain(error, EX_USAGE)
    except NotAdmittedError as error:
        status = _complain(error, EX_REFUSED)
    except (CannotConnectError, LostError) as error:
        status = _complain(error, EX_NO_CONNECTION)
    except BrokenPipeError:  # the reader of our output has gone, as in `netd-chat --json | head`
        _say_no_more()
        status = EX_PIPE
    except OSError as error:  # of our own input or output: a full disk, say
        _say_no_more()
        status = _complain(error, EX_REFUSED)
    except KeyboardInterrupt:
        status = EX_DELIVERED
    sys.exit(status)


def _run(argv: list[str], environ: Mapping[str, str]) -> int:
    is_terminal = sys.stdin is not None and sys.stdin.isatty()
    settings = read(argv, environ, _login(), at_terminal=is_terminal)
    if settings.text is None and sys.stdin is None:
        raise UsageError("standard input is closed; give a text with --send")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a locale without our letters stops nobody
    if not settings.is_talk:
        return _loop(_pipe(settings))
    _loop(_terminal(settings, environ))
    return EX_DELIVERED


async def _pipe(settings: Settings) -> int:
    return await Pipe(settings).run()


async def _terminal(settings: Settings, environ: Mapping[str, str]) -> None:
    can_draw = sys.stdout.isatty() and environ.get("TERM", "dumb") not in ("dumb", "unknown")
    colors = can_draw and not environ.get("NO_COLOR")
    await Terminal(settings, can_draw=can_draw, colors=colors).run()


def _loop(main_coroutine: Coroutine[object, object, T]) -> T:
    """Run on select, the one poller that takes regular files on standard input as well."""
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        return runner.run(main_coroutine)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        return f"user{os.getuid()}"


def _replace_closed() -> None:
    """Where standard output or error is closed, as by `>&-`, what is said goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (to the end)


def _say_no_more() -> None:
    """Throw away what was printed and could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(error: Exception, status: int) -> int:
    sys.stderr.write(f"netd-chat: {clean(str(error))}\n")
    return status

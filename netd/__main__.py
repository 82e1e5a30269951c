"""The `netd` command, also as `python -m netd`.

The signals that `netd run` handles are blocked before any other import. A signal that arrives
during the start would end the process; blocked, it waits until the supervisor has its handlers.
"""

import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process."""
    if sys.argv[1:2] == ["run"]:
        user = (signal.SIGUSR1, signal.SIGUSR2)
        handled = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, *user)
        signal.pthread_sigmask(signal.SIG_BLOCK, handled)
    from netd import cli  # noqa: PLC0415 (with the signals blocked)

    cli.main()


if __name__ == "__main__":
    main()

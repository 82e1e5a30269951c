"""The `netd` command, also as `python -m netd`.

Signals that `netd run` handles are blocked before anything else is imported: one that arrives
during the start would end the process, and waits instead until the supervisor has its handlers.
"""

import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process."""
    if sys.argv[1:2] == ["run"]:
        handled = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
        signal.pthread_sigmask(signal.SIG_BLOCK, handled)
    from netd import cli  # noqa: PLC0415 (with the signals blocked)

    cli.main()


if __name__ == "__main__":
    main()

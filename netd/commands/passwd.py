"""`netd passwd`: prompts for a password and prints its hash."""

from __future__ import annotations

import argparse
import os

from netd.commands.password_prompt import read_password
from netd.protocols.password import hash_password
from netd.protocols.scram_keys import derive_keys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--scram",
        action="store_true",
        help="print keys of SCRAM-SHA-256, which chat clients can log in with too",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the hash."""
    make = derive_keys if arguments.scram else hash_password
    print(make(read_password(), os.urandom(16)))
    return os.EX_OK

"""`netd config`: prints a configuration or its schema."""

from __future__ import annotations

import argparse
import json
import os

from netd.commands.config_file import add_config_option
from netd.config import document, json_schema
from netd.config.load import config_of
from netd.config.paths import find_config
from netd.config.source import read_source
from netd.listeners.kinds import KINDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_config_option(parser)
    parser.add_argument(
        "what",
        choices=("show", "default", "schema"),
        help="show: every value in effect; default: every key, explained; schema: JSON Schema",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what the arguments name."""
    match arguments.what:
        case "default":
            print(document.default_text(KINDS), end="")
        case "schema":
            print(json.dumps(json_schema.json_schema(KINDS), indent=2))
        case "show":
            config = config_of(read_source(find_config(arguments.config)), KINDS)
            print(document.effective_text(config), end="")
    return os.EX_OK

"""Writes the manual pages: prose from the templates here, reference from netd's code.

    packaging/man/generate.py DIRECTORY

A line of a template that begins with @ is a directive. It is replaced with the options, commands,
keys or kinds that the code declares, so that the manual has all of them. The pages are in mdoc(7).
"""
# ruff: noqa: INP001 (a script, in no package)

from __future__ import annotations

import argparse
import inspect
import os
import re
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import netd
from netd import cli
from netd.client import client_settings
from netd.client.core import slash_commands
from netd.config.address import Scheme
from netd.config.document import Key, keys
from netd.config.model import DaemonOptions, ListenerOptions
from netd.listeners.kinds import KINDS

TEMPLATES: Final = Path(__file__).parent
PARSERS: Final = {"netd": cli.build_parser, "netd-chat": client_settings.build_parser}
_WIDTH: Final = 78
_ABOUT: Final = re.compile(r"^@about (\S+)\n(.*?)^@end\n", re.MULTILINE | re.DOTALL)
_ESCAPES: Final = {"\\": r"\e", "-": r"\-", '"': r"\(dq", "'": r"\(aq", "~": r"\(ti", "^": r"\(ha"}

Option = argparse.Action


def main() -> None:
    """Write all pages into the directory of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    for template in sorted(TEMPLATES.glob("*.in")):
        page = "\n".join(render(template.read_text(encoding="utf-8"))) + "\n"
        (directory / template.stem).write_text(page, encoding="utf-8")


def render(template: str) -> Iterator[str]:
    """Yield the lines of a page."""
    about = dict(_ABOUT.findall(template))
    for line in _ABOUT.sub("", template).splitlines():
        name, _, argument = line.removeprefix("@").partition(" ")
        if not line.startswith("@"):
            yield line
        elif name == "commands":
            yield from _commands(argument, about)
        else:
            yield from _DIRECTIVES[name](argument)


# The command line


def _synopsis(program: str) -> Iterator[str]:
    parser = PARSERS[program]()
    commands = _subcommands(parser)
    for name, command in commands.items() or {"": parser}.items():
        yield f".Nm {program}"
        if name:
            yield f".Cm {name}"
        yield from _usage(command)


def _commands(program: str, about: dict[str, str]) -> Iterator[str]:
    parser = PARSERS[program]()
    shared = {option.dest for option in _shared_options(parser)}
    for name, command in _subcommands(parser).items():
        arguments = [
            argument
            for argument in _arguments(command)
            if argument.dest not in shared and not argument.choices  # the template has choices
        ]
        yield f".Ss {program} {name}"
        yield from prose(command.description or "")
        yield from about.get(name, "").splitlines()
        if arguments:
            yield from _list(_options(arguments))


def _options(arguments: Iterable[Option]) -> Iterator[str]:
    for option in sorted(arguments, key=lambda option: bool(option.option_strings)):
        yield f".It {_signature(option)}"
        yield from prose(_sentence(option.help or ""))


def _usage(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the arguments, optional ones in brackets; mutually exclusive ones share a bracket."""
    groups = [group._group_actions for group in parser._mutually_exclusive_groups]  # noqa: SLF001 (argparse shows them nowhere else)
    groups_by_name = {option.dest: group for group in groups for option in group}
    for option in sorted(_arguments(parser), key=lambda option: not option.option_strings):
        if option.dest in ("help", "version"):
            continue
        group = groups_by_name.get(option.dest, [option])
        if option is group[0]:
            optional = bool(option.option_strings) or option.nargs == "?"
            shown = " | ".join(map(_signature, group))
            yield f".Op {shown}" if optional else f".{shown}"


def _signature(option: Option) -> str:
    names = ", ".join(f"Fl {escape(name.removeprefix('-'))}" for name in option.option_strings)
    if option.choices and not option.option_strings:
        return " | ".join(f"Cm {choice}" for choice in option.choices)
    value = "" if option.nargs == 0 else f"Ar {option.metavar or option.dest.upper()}"
    return f"{names} {value}".strip().replace(", Fl", " , Fl")


def _shared_options(parser: argparse.ArgumentParser) -> list[Option]:
    """The options of the program itself, and those that several of its commands have."""
    own = {o.dest: o for o in _arguments(parser) if not _is_subcommands(o)}
    of_commands = [o for command in _subcommands(parser).values() for o in _arguments(command)]
    uses = Counter(option.dest for option in of_commands)
    shared = {option.dest: option for option in of_commands if uses[option.dest] > 1}
    return list((own | shared).values())


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next((dict(a.choices or {}) for a in _arguments(parser) if _is_subcommands(a)), {})


def _is_subcommands(option: Option) -> bool:
    return isinstance(option.choices, dict)


def _arguments(parser: argparse.ArgumentParser) -> list[Option]:
    return parser._actions  # noqa: SLF001 (argparse shows them nowhere else)


def _slash_commands() -> Iterator[str]:
    heads = []
    for name, command in slash_commands.COMMANDS.items():
        heads.append(f".It Ic /{name} No {quote(command.usage)}".removesuffix(' No ""'))
        heads += prose(_sentence(command.help))
        heads += prose(command.details) if command.details else []
    yield from _list(heads)


def _screen_keys() -> Iterator[str]:
    """Yield a list of the keys of netd-chat's full-screen view."""
    heads = []
    for key, text in slash_commands.KEYS:
        heads += [f".It {quote(key)}", *prose(_sentence(text))]
    yield from _list(heads)


# The configuration


def _kind_list() -> Iterator[str]:
    """Yield a list of the kinds, with the first paragraph of their documentation."""
    items = []
    for name, kind in KINDS.items():
        items += [f".It Cm {name}", *prose(_paragraphs(kind.options)[0])]
    yield from _list(items)


def _kind_sections() -> Iterator[str]:
    """Yield a section for each kind: its documentation, its addresses and its keys."""
    for name, kind in KINDS.items():
        yield f".Sh {name.upper()} LISTENERS"
        for paragraph in _paragraphs(kind.options):
            yield from prose(paragraph)
        schemes = [f"`{scheme}://`" for scheme in Scheme if scheme in kind.schemes]
        yield from prose(f'A listener with `kind = "{name}"` has {_enumerate(schemes)} addresses.')
        yield from _keys_of_kind(kind.options)


def _paragraphs(options: type) -> list[str]:
    """The paragraphs of a class's docstring, without line breaks."""
    return [" ".join(text.split()) for text in (inspect.getdoc(options) or "").split("\n\n")]


def _enumerate(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _keys_of_kind(options: type[ListenerOptions]) -> Iterator[str]:
    """Yield the keys that a kind adds or documents itself, and those of the tables inside."""
    common = {key.name: key for key in keys(ListenerOptions)}
    own = [key for key in keys(options) if key.name != "kind" and key != common.get(key.name)]
    arrays = {key.name for key in own if key.is_array_of_tables}
    tables = dict.fromkeys(key.table for key in own)
    for table in tables:
        if table:
            path = f"[listeners.NAME.{table}]"
            yield f".Ss {f'[{path}]' if table in arrays else path}\\&"
        yield from _key_list(key for key in own if key.table == table)


def _key_list(entries: Iterable[Key]) -> Iterator[str]:
    heads = []
    for key in entries:
        default = quote(f"= {key.default}") if key.default else ""
        heads.append(f".It Cm {key.name} No {default}".removesuffix(" No "))
        heads += prose(" ".join((_sentence(key.description), *_remarks(key))))
    yield from _list(heads)


def _remarks(key: Key) -> Iterator[str]:
    values = f"{key.values}; required" if key.is_required else key.values
    yield f"({values[0].upper()}{values[1:]}.)"
    if key.needs_new_worker:
        yield "A change needs a new worker."


# mdoc


def prose(text: str) -> Iterator[str]:
    """Yield text as mdoc: each sentence begins a line, and text in backquotes is bold."""
    parts = enumerate(text.split("`"))
    marked = "".join(f"\\fB{escape(part)}\\fP" if n % 2 else _plain(part) for n, part in parts)
    for sentence in re.split(r"(?<=\.) (?=[A-Z(])|(?<=\.\)) ", marked):
        for line in textwrap.wrap(sentence, _WIDTH, break_on_hyphens=False):
            yield f"\\&{line}" if line.startswith((".", "'")) else line


def _plain(text: str) -> str:
    return text.replace("\\", r"\e")


def escape(text: str) -> str:
    """Escape the characters that roff interprets or replaces."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def quote(text: str) -> str:
    """Quote text as one argument of a macro."""
    return f'"{escape(text)}"'


def _list(items: Iterable[str]) -> Iterator[str]:
    yield ".Bl -tag -width Ds"
    yield from items
    yield ".El"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _date() -> str:
    """The date of SOURCE_DATE_EPOCH, for reproducible builds, or today's."""
    at = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    return time.strftime(f"%B {at.tm_mday}, %Y", at)


_DIRECTIVES: Final[dict[str, Callable[[str], Iterable[str]]]] = {
    "date": lambda _: [f".Dd {_date()}"],
    "version": lambda _: [f".Os netd {netd.__version__}"],
    "synopsis": _synopsis,
    "options": lambda program: _list(_options(_shared_options(PARSERS[program]()))),
    "daemon-keys": lambda _: _key_list(keys(DaemonOptions)),
    "listener-keys": lambda _: _key_list(keys(ListenerOptions)),
    "kind-list": lambda _: _kind_list(),
    "kind-sections": lambda _: _kind_sections(),
    "slash": lambda _: _slash_commands(),
    "screen-keys": lambda _: _screen_keys(),
}


if __name__ == "__main__":
    main()

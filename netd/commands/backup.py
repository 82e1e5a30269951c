"""`netd backup`: writes the configuration and the databases to one file, also while netd runs."""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from netd.commands.config_file import add_config_option
from netd.commands.output import show
from netd.config.load import config_of
from netd.config.model import Config
from netd.config.paths import find_config
from netd.config.source import Source, read_source
from netd.config.state_directory import state_directory_of
from netd.errors import NetdError
from netd.listeners.chat.cloak_key import KEY_FILE
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.state_file import state_path
from netd.listeners.chat.storage.file import describe_failure, full_disk_of
from netd.listeners.kinds import KINDS
from netd.runtime.errnos import describe
from netd.runtime.replaced_file import replace_file

_PRIVATE = 0o600


class BackupError(NetdError):
    """A file cannot be read, or the backup cannot be written."""


@dataclass(frozen=True, slots=True)
class Content:
    """The files of a backup."""

    files: tuple[str, ...]
    databases: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_config_option(parser)
    parser.add_argument("file", metavar="FILE", help="the file, an archive that tar(1) reads")


def run(arguments: argparse.Namespace) -> int:
    """Write the backup. Raises BackupError."""
    source = read_source(find_config(arguments.config))
    show(write_backup(arguments.file, config_of(source, KINDS), source))
    return os.EX_OK


def write_backup(path: str, config: Config, source: Source) -> str:
    """Write the backup to the file `path`; return what it has. Raises BackupError."""
    content = content_of(config, source)
    _refuse_own_file(path, content)
    try:
        with (
            replace_file(path, mode=_PRIVATE, is_lasting=True) as file,
            tarfile.open(fileobj=file, mode="w:gz") as archive,
        ):
            _write(archive, content)
    except OSError as error:
        raise BackupError(f"{path}: {describe(error)}") from error
    return f"{path}: files {len(content.files)}, databases {len(content.databases)}"


def content_of(config: Config, source: Source) -> Content:
    """The files of the configuration and of its chats that exist. Raises BackupError."""
    directory = state_directory_of(source.file)
    chats = [options for options in config.listeners.values() if isinstance(options, ChatOptions)]
    files = [source.file, *source.files]
    for options in chats:
        cluster = () if options.cluster is None else (options.cluster.password_file,)
        files += [options.accounts_file, options.opers_file, *cluster]
    if directory:
        files.append(os.path.join(directory, KEY_FILE))
    databases = [state_path(options, directory) for options in chats]
    return Content(_existing(files), _existing(databases))


def _existing(paths: list[str]) -> tuple[str, ...]:
    whole = (os.path.abspath(path) for path in paths if path)
    return tuple(filter(_is_file, dict.fromkeys(whole)))


def _is_file(path: str) -> bool:
    """Whether a file exists. Raises BackupError if this user cannot find out."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}") from error


def _refuse_own_file(path: str, content: Content) -> None:
    """Refuse to replace a file that belongs in the backup."""
    own = (*content.files, *content.databases)
    if os.path.exists(path) and any(os.path.samefile(path, file) for file in own):
        raise BackupError(f"{path} is a file of netd, not of a backup")


def _write(archive: tarfile.TarFile, content: Content) -> None:
    for directory in dict.fromkeys(map(os.path.dirname, content.databases)):
        # For its owner and its mode.
        archive.add(os.path.realpath(directory), arcname=directory, recursive=False)
    for path in content.files:
        archive.add(os.path.realpath(path), arcname=path)
    for path in content.databases:
        with _copied(path) as file:
            member = archive.gettarinfo(os.path.realpath(path), arcname=path)
            member.size = os.fstat(file.fileno()).st_size
            archive.addfile(member, file)


@contextlib.contextmanager
def _copied(database: str) -> Iterator[BinaryIO]:
    """A copy of a database, as it is at one moment.

    SQLite makes further files beside a database: they must belong to the owner of the database,
    which has to use them too, so the copy is made with the rights of that user. It is opened with
    them as well: that user could put a link to a file of root in its place.
    """
    owner = os.stat(database)
    with tempfile.TemporaryDirectory(prefix="netd-backup-") as directory:
        if os.geteuid() == 0:
            os.chown(directory, owner.st_uid, owner.st_gid)
        copy = os.path.join(directory, "copy")
        try:
            with _rights_of(owner):
                _copy(database, copy)
                file = open(copy, "rb")  # noqa: SIM115 (closed with the rights of this process)
        except sqlite3.Error as error:
            at_fault = copy if full_disk_of(copy) else database
            raise BackupError(describe_failure(at_fault, error)) from error
        with file:
            yield file


def _copy(database: str, copy: str) -> None:
    with contextlib.closing(sqlite3.connect(database)) as source:
        source.execute("PRAGMA query_only = 1")
        with contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(target)


@contextlib.contextmanager
def _rights_of(owner: os.stat_result) -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    group = os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)

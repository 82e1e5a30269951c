"""Checks options beyond their types: password hashes, and the files of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

from netd.config.file_access import why_not_changeable, why_not_writable
from netd.errors import ConfigError, LocalProtocolError, Problem
from netd.listeners.chat.credentials_file import CredentialsFile
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.state_file import is_default_name, state_path
from netd.protocols.password import check_hash


def check(options: ChatOptions) -> tuple[Problem, ...]:
    """Report invalid hashes, and files that cannot be used."""
    return tuple(_problems(options))


def _problems(options: ChatOptions) -> Iterator[Problem]:
    if options.tls is not None:
        from netd.listeners import certificate  # noqa: PLC0415 (OpenSSL, only for TLS)

        yield from certificate.problems(options.tls, options.tls.client_ca)
    yield from _hash_problems(options)
    for key in ("opers_file", "accounts_file"):
        yield from _file_problems(key, getattr(options, key))
    if options.cluster is not None:
        from netd.listeners.chat.cluster import check as cluster  # noqa: PLC0415 (if needed)

        yield from cluster.problems(options.cluster)
    if options.history_file:
        yield from _history_problems(options.history_file)
    elif text := _advice_on_new_file(state_path(options)):
        yield Problem("history_file", text, is_warning=True)


def _history_problems(path: str) -> Iterator[Problem]:
    fault = why_not_writable(path) or why_not_changeable(os.path.dirname(path))
    if fault:  # SQLite makes further files in the same directory
        yield Problem("history_file", fault)
    elif os.path.exists(path):
        # SQLite, if needed
        from netd.listeners.chat.storage.file import fault_of, full_disk_of  # noqa: PLC0415

        if damage := fault_of(path):
            text = f"{path}: {damage}; it will be moved aside"
            yield Problem("history_file", text, is_warning=True)
        elif full := full_disk_of(path):
            yield Problem("history_file", f"{path}: {full}", is_warning=True)


def _advice_on_new_file(path: str) -> str:
    """Advice to keep a database whose name is that of an earlier address; empty if not needed.

    `path` is the file that is named after the present address.
    """
    if not path or os.path.exists(path):
        return ""
    directory, name = os.path.split(path)
    try:
        paths = (
            f"{directory}/{found}" for found in os.listdir(directory) if is_default_name(found)
        )
        latest = max(paths, key=os.path.getmtime, default="")
    except OSError:
        return ""
    if not latest:
        return ""
    return f'{name} begins empty; if this listener had another address, write "{latest}"'


def _file_problems(key: str, path: str) -> Iterator[Problem]:
    try:
        CredentialsFile(path)
    except OSError as error:
        yield Problem(key, f"{path}: {error.strerror}")
    except ConfigError as error:
        yield from (Problem(key, str(problem)) for problem in error.problems)


def _hash_problems(options: ChatOptions) -> Iterator[Problem]:
    stored = {"password": options.password}
    for index, oper in enumerate(options.opers):
        stored[f"opers.{index}.password"] = oper.password
    for index, account in enumerate(options.accounts):
        stored[f"accounts.{index}.password"] = account.password
    for key, text in stored.items():
        try:
            check_hash(text)
        except LocalProtocolError as error:
            yield Problem(key, str(error))

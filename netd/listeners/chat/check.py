"""Faults of the options that only this machine's files, or the hashes themselves, can show."""

from __future__ import annotations

from collections.abc import Iterator

from netd.config.check import why_not_writable
from netd.errors import ConfigError, LocalProtocolError, Problem
from netd.listeners.chat.credentials_file import CredentialsFile
from netd.listeners.chat.options import ChatOptions, ChatTlsOptions
from netd.protocols.password import check_hash


def check(options: ChatOptions) -> tuple[Problem, ...]:
    """Every fault, each with its key."""
    return tuple(_problems(options))


def _problems(options: ChatOptions) -> Iterator[Problem]:
    if options.tls is not None:
        yield from _tls_problems(options.tls)
    yield from _hash_problems(options)
    for key in ("opers_file", "accounts_file"):
        yield from _file_problems(key, getattr(options, key))
    why = why_not_writable(options.history_file) if options.history_file else ""
    if why:
        yield Problem("history_file", why)


def _tls_problems(tls: ChatTlsOptions) -> Iterator[Problem]:
    from netd.listeners import certificate  # noqa: PLC0415 (OpenSSL, for those who use it)
    from netd.runtime.tls import open_context  # noqa: PLC0415

    found = certificate.problems(tls)
    yield from found
    if found or not tls.client_ca:
        return
    try:
        open_context(tls.certificate, tls.key, client_ca=tls.client_ca)
    except OSError as error:
        yield Problem("tls.client_ca", f"{tls.client_ca}: {error.strerror or error}")


def _file_problems(key: str, path: str) -> Iterator[Problem]:
    try:
        CredentialsFile(path)
    except OSError as error:
        yield Problem(key, f"{path}: {error.strerror}")
    except ConfigError as error:
        yield from (Problem(key, str(each)) for each in error.problems)


def _hash_problems(options: ChatOptions) -> Iterator[Problem]:
    stored = {"password": options.password}
    stored |= {f"opers.{i}.password": each.password for i, each in enumerate(options.opers)}
    stored |= {f"accounts.{i}.password": each.password for i, each in enumerate(options.accounts)}
    for key, text in stored.items():
        try:
            check_hash(text)
        except LocalProtocolError as error:
            yield Problem(key, str(error))

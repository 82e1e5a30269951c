"""Checks that a listener can use its engine, and that the engine loses nothing."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from netd.errors import ConfigError, Problem
from netd.listeners.chat.cluster.credentials import read_credentials
from netd.listeners.chat.cluster.durability import (
    ASKED,
    ASKED_OF_DEFAULT,
    weaknesses,
    weaknesses_of_default,
)
from netd.listeners.chat.cluster.engine_address import EngineAddress, parse_engine
from netd.listeners.chat.cluster.master_finder import FIND_MASTER, read_master
from netd.listeners.chat.cluster.options import ClusterOptions
from netd.listeners.chat.cluster.permissions import (
    TRY,
    describe_refused,
    reading_commands,
)
from netd.listeners.chat.cluster.redis_connection import Credentials
from netd.listeners.chat.cluster.resp import Argument, Reply, ReplyError, make_reader, pack
from netd.listeners.chat.cluster.scripts import ALL, Keys
from netd.runtime.unix_connection import connect_unix

if TYPE_CHECKING:  # OpenSSL, if needed
    import ssl

_TIMEOUT_S = 2.0


def problems(options: ClusterOptions) -> Iterator[Problem]:
    """Find the faults that keep the engine from being used; an unreachable one gives a warning."""
    try:
        make_reader()
    except ImportError:
        command = f"apt install python3-hiredis, or {sys.executable} -m pip install hiredis"
        yield Problem("cluster", f"needs the Python package hiredis; try: {command}")
        return
    try:
        credentials = read_credentials(options)
    except ConfigError as error:
        yield from error.problems
        return
    for text in _warnings(options, credentials):
        yield Problem("cluster.engine", text, is_warning=True)


def _warnings(options: ClusterOptions, credentials: Credentials) -> Iterator[str]:
    """Why the engine cannot be used now, or could lose lines."""
    address = parse_engine(options.engine[0])
    if options.sentinel:
        failures, master = _find_master(options)
        yield from failures
        if master is None:
            return
        address = master
    try:
        found = _ask(address, credentials, Keys(options.name))
    except (OSError, ReplyError) as error:
        yield f"{address} cannot be used now: {_reason(error)}"
    else:
        yield from (f"{address}: {weakness}" for weakness in found)


def _find_master(options: ClusterOptions) -> tuple[list[str], EngineAddress | None]:
    """The faults of all sentinels, and the master that the first one without a fault names."""
    failures, master = [], None
    for sentinel in map(parse_engine, options.engine):
        try:
            with contextlib.closing(_connect(replace(sentinel, is_tls=False), None)) as sock:
                reply = _call(sock, *FIND_MASTER, options.sentinel)
            master = master or read_master(sentinel, reply, options.sentinel)
        except (OSError, ReplyError) as error:
            failures.append(f"the sentinel {sentinel} cannot be used now: {_reason(error)}")
    return failures, master


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def _ask(address: EngineAddress, credentials: Credentials, keys: Keys) -> list[str]:
    """The engine's weaknesses. Raises OSError or ReplyError."""
    with contextlib.closing(_connect(address, credentials.tls)) as sock:
        if credentials.password:
            user = [address.user] if address.user else []
            _call(sock, "AUTH", *user, credentials.password)
        _call(sock, "PING")
        refused = filter(None, [_refused(sock, keys)])
        return [*refused, *_weaknesses(sock), *weaknesses_of_default(_of_default(sock))]


def _connect(address: EngineAddress, tls: ssl.SSLContext | None) -> socket.socket:
    if address.path:
        return connect_unix(address.path, _TIMEOUT_S)
    sock = socket.create_connection((address.host, address.port), _TIMEOUT_S)
    if tls is None or not address.is_tls:
        return sock
    return tls.wrap_socket(sock, server_hostname=address.host)


def _refused(sock: socket.socket, keys: Keys) -> str:
    """The fault of commands that cannot be executed. Raises ReplyError, which names one."""
    for command in reading_commands(keys):
        _call(sock, *command)
    for script in (TRY, *ALL):
        _call(sock, "SCRIPT", "LOAD", script.text)
    names = keys.all()
    return describe_refused(_call(sock, "EVALSHA", TRY.sha, len(names), *names))


def _weaknesses(sock: socket.socket) -> list[str]:
    try:
        return [*weaknesses(dict(_setting(sock, name) for name in ASKED))]
    except ReplyError as error:  # the command is renamed, or the user may not execute it
        return [f"whether it could lose lines is not known: CONFIG GET: {error}"]


def _setting(sock: socket.socket, name: str) -> tuple[str, str]:
    match _call(sock, "CONFIG", "GET", name):
        case [_, bytes(value)]:
            return name, value.decode()
    return name, ""


def _of_default(sock: socket.socket) -> Reply:
    try:
        return _call(sock, *ASKED_OF_DEFAULT)
    except ReplyError as error:  # the user of the chat may not read that
        return error


def _call(sock: socket.socket, *arguments: Argument) -> Reply:
    sock.sendall(pack(*arguments))
    reader = make_reader()
    while (reply := reader.gets()) is False:
        data = sock.recv(65536)
        if not data:
            raise ConnectionResetError("the engine closed the connection")
        reader.feed(data)
    if isinstance(reply, ReplyError):
        raise reply
    return reply

"""Starts the programs that are measured, on free ports, and waits until they serve."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

_START_S = 60.0
_STOP_S = 10.0


def free_port() -> int:
    """A TCP port on which no program listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    """Whether a program accepts TCP connections."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def answers(port: int) -> bool:
    """Whether a program sends a UDP datagram back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        sock.connect(("127.0.0.1", port))
        try:
            sock.send(b"?")
            return sock.recv(1) == b"?"
        except (ConnectionRefusedError, TimeoutError):
            return False


@contextlib.contextmanager
def program(
    command: Sequence[str], port: int, is_up: Callable[[int], bool] = accepts
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that serves a port of 127.0.0.1 within a minute; end it afterwards."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(process, partial(is_up, port))
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def netd(
    listener: str, port: int, is_up: Callable[[int], bool] = accepts
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `netd run` with one listener, given as the TOML of its table, which serves `port`."""
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "netd.toml"
        config.write_text(
            f'[netd]\ncontrol = "{directory}/control"\n\n[listeners.bench]\n{listener}\n'
        )
        command = [sys.executable, "-m", "netd", "run", "--config", str(config)]
        with program(command, port, is_up) as process:
            yield process


def _await(process: subprocess.Popen[bytes], is_up: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_S
    while not is_up():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{process.args!r} does not serve: {process.returncode}")
        time.sleep(0.02)

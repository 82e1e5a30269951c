"""Attacks on HTTP servers, and the configurations of netd and nginx that they are made on."""

from __future__ import annotations

import base64
import contextlib
import functools
import itertools
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from netd.protocols.password import hash_password
from tests.bench import harness_process
from tests.bench.attacks_load import Attack
from tests.bench.attacks_setup import Crowd, Server, Setup
from tests.bench.attacks_victims import Service

_LISTERS, _GUESSERS = 30, 100
_FILES: Final = 10_000
_PIPELINERS: Final = 30
_PIPELINED: Final = 400
_DIRECTORIES: Final = (
    12  # netd makes at most 8 listings at once, and keeps the names of 5 for a second
)
_NETD: Final = """
kind = "http"
address = "tcp://127.0.0.1:{port}"
routes = [
  {{ path = "/hello", text = "Hello" }},
  {{ path = "/private", match = "prefix", text = "secret", users = {{ owner = "{hash}" }} }},
  {{ path = "/list", directory = "{root}/list", listing = true }},
]
"""
_NGINX: Final = """
user root;
worker_processes 1;
daemon off;
pid {root}/pid-{port};
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {root}/1;
  proxy_temp_path {root}/2;
  fastcgi_temp_path {root}/3;
  uwsgi_temp_path {root}/4;
  scgi_temp_path {root}/5;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    root {root};
    location = /hello {{ return 200 "Hello"; }}
    location /private {{ auth_basic "bench"; auth_basic_user_file {root}/users; }}
    location /list {{ autoindex on; }}
  }}
}}
"""
_serial = itertools.count()


@functools.cache
def _tree() -> tempfile.TemporaryDirectory[str]:
    """Directories with many files, and the file of a route that needs a password."""
    directory = tempfile.TemporaryDirectory(prefix="netd-bench-")
    root = Path(directory.name)
    root.chmod(0o755)
    for number in range(_DIRECTORIES):
        files = root / "list" / str(number)
        files.mkdir(parents=True)
        for name in range(_FILES):
            (files / f"file-{name:05}.txt").touch()
    (root / "private").mkdir()
    (root / "private" / "file").write_text("secret")
    command = ["openssl", "passwd", "-6", "right"]
    hashed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (root / "users").write_text(f"owner:{hashed}")
    return directory


@contextlib.contextmanager
def _netd() -> Iterator[int]:
    port = harness_process.free_port()
    stored = hash_password("right", b"0123456789abcdef")
    listener = _NETD.format(port=port, root=_tree().name, hash=stored)
    with harness_process.netd(listener, port):
        yield port


@contextlib.contextmanager
def _nginx() -> Iterator[int]:
    port = harness_process.free_port()
    config = Path(_tree().name) / f"config-{port}"
    config.write_text(_NGINX.format(port=port, root=_tree().name))
    with harness_process.program(["nginx", "-e", "stderr", "-c", str(config)], port):
        yield port


def _get(path: str, *fields: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: bench", *fields]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def _greet(_number: int) -> bytes:
    return b""


def _list(attacker: int, _turn: int) -> bytes:
    return _get(f"/list/{attacker % _DIRECTORIES}/", "Cache-Control: no-cache")


def _guess(_attacker: int, _turn: int) -> bytes:
    wrong = base64.b64encode(f"owner:wrong {next(_serial)}".encode()).decode()
    return _get("/private/file", f"Authorization: Basic {wrong}")


def _pipeline(_attacker: int, _turn: int) -> bytes:
    return _get("/missing") * _PIPELINED


SETUPS: Final = (
    Setup(
        "HTTP",
        {"netd": Server(_netd), "nginx": Server(_nginx, "nginx")},
        (
            Attack("no attack", 1, _greet, lambda _, __: _get("/hello")),
            Attack(f"listings of {_FILES:,} files", _LISTERS, _greet, _list),
            Attack("wrong passwords", _GUESSERS, _greet, _guess),
            Attack(f"{_PIPELINED} pipelined requests", _PIPELINERS, _greet, _pipeline),
        ),
        Service(lambda _: _get("/hello"), b"Hello", _get("/hello"), b"Hello"),
        Crowd(0, _greet),
        lambda _port: True,
    ),
)

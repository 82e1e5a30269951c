"""HTTP: netd beside nginx, lighttpd and Python's servers, one worker each, loaded by wrk."""

from __future__ import annotations

import contextlib
import functools
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench import harness_process
from tests.bench.harness import Goal, Reading, Server, Work
from tests.bench.http_peers import APPLICATIONS, GRANIAN, GUNICORN, LIGHTTPD, NETD, NGINX, UVICORN
from tests.bench.usage import cpu_s, family, memory_kib

TEXT = "Hello from Epoll Server"
SIZES = {"1k": 2**10, "10k": 10 * 2**10, "1m": 2**20, "100m": 100 * 2**20}
DISTINCT = 10_000
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_TOTAL = re.compile(r"(\d+) requests in ")
_LATENCY = re.compile(r"(50|99)%\s+([\d.]+)(us|ms|s|m)\b")
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
_FAULT = re.compile(r"(Non-2xx or 3xx responses|Socket errors): .*")
_PIPELINE = """
init = function(args)
  local one = wrk.format("GET", "/hello")
  batch = string.rep(one, 16)
end
request = function() return batch end
"""
_DISTINCT = f"""
local n = 0
request = function()
  n = (n + 7919) % {DISTINCT}
  return wrk.format("GET", "/many/" .. n)
end
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A server that is to be: its port, and the files it serves."""

    port: int
    root: Path


@dataclass(frozen=True, slots=True)
class Served:
    """A server that is up."""

    site: Site
    pid: int


def works() -> tuple[Work, ...]:
    """Small and large answers, from few and many connections, warm and cold."""
    tag = ("-H", 'If-None-Match: "x"', "-H", "If-Modified-Since: Fri, 31 Dec 2100 00:00:00 GMT")
    return (
        _work("fixed text, 64 connections", _wrk("/hello", 64), 1.0, python=True),
        _work("1 KiB file, 64 connections", _wrk("/1k", 64), 1.0),
        _work("10 KiB file, 64 connections", _wrk("/10k", 64), 1.0),
        _work("1 MiB file, 16 connections", _wrk("/1m", 16), 0.95),
        _work("100 MiB file, 4 connections", _wrk("/100m", 4), 0.95),
        _work("304, 64 connections", _wrk("/1k", 64, *tag[2:]), 1.0),
        _work("range of 1 KiB, 64 connections", _wrk("/1m", 64, "-H", "Range: bytes=9-1032"), 0.7),
        _work("cold connections, 64", _wrk("/hello", 64, "-H", "Connection: close"), 0.7),
        _work("fixed text, 1,000 connections", _wrk("/hello", 1000), 1.0),
        _work("pipelined by 16, 64 connections", _wrk("/hello", 64, script=_PIPELINE), 1.0),
        _work("10,000 distinct files, 64 connections", _wrk("/", 64, script=_DISTINCT), 0.7),
        _work("fixed text under TLS, 64 connections", _wrk("/hello", 64, tls=True), 1.0, tls=True),
    )


def _work(
    name: str,
    load: Callable[[Served, float], Reading],
    ratio: float,
    *,
    tls: bool = False,
    python: bool = False,
) -> Work:
    servers = [
        Server("netd", partial(_netd, tls=tls)),
        Server("nginx", partial(_nginx, tls=tls), needs="nginx"),
        Server("lighttpd", partial(_lighttpd, tls=tls), needs="lighttpd"),
    ]
    if python:
        servers += [
            Server("gunicorn", partial(_python, GUNICORN), needs="gunicorn"),
            Server("uvicorn", partial(_python, UVICORN), needs="uvicorn"),
            Server("granian", partial(_python, GRANIAN), needs="granian"),
            Server("http.server", _http_server),
        ]
    return Work(name, "requests/s", load, tuple(servers), (Goal("netd", ("nginx",), ratio),))


def _wrk(
    path: str, connections: int, *arguments: str, script: str = "", tls: bool = False
) -> Callable[[Served, float], Reading]:
    def load(served: Served, seconds: float) -> Reading:
        length = f"-d{max(1, round(seconds))}s"
        command = ["wrk", "--latency", "-t1", f"-c{connections}", length, *arguments]
        port, pids = served.site.port, tuple(family(served.pid))
        url = f"http{'s' if tls else ''}://127.0.0.1:{port}{path}"
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            file.write(script)
            file.flush()
            command += ["-s", file.name] if script else []
            before_s = cpu_s(pids)
            said = subprocess.run([*command, url], capture_output=True, text=True, check=True)
            spent_s = cpu_s(pids) - before_s
        fault = _FAULT.search(said.stdout)
        if fault:
            print(f"port {port}: {fault[0]}", file=sys.stderr)
        return _reading(said.stdout, spent_s, max(memory_kib(pid)["Pss"] for pid in pids))

    return load


def _reading(said: str, spent_s: float, held_kib: int) -> Reading:
    """The results of wrk, and the resources that the server used."""
    rate, total = _RATE.search(said), _TOTAL.search(said)
    assert rate, said
    assert total, said
    latency = {which: float(value) * _MS[unit] for which, value, unit in _LATENCY.findall(said)}
    return Reading(
        float(rate[1]),
        {
            "p50, ms": latency["50"],
            "p99, ms": latency["99"],
            "server's CPU, us each": spent_s / int(total[1]) * 1e6,
            "its worker's memory, MiB": held_kib / 1024,
        },
    )


@functools.cache
def _tree() -> tempfile.TemporaryDirectory[str]:
    """The files and the certificate, made once for all servers and works."""
    directory = tempfile.TemporaryDirectory()
    root = Path(directory.name) / "www"
    (root / "many").mkdir(parents=True)
    (root / "hello").write_text(TEXT)
    for name, size in SIZES.items():
        (root / name).write_bytes(bytes(size))
    for number in range(DISTINCT):
        (root / "many" / str(number)).write_bytes(bytes(1024))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", "key.pem", "-out", "certificate.pem"),
        ],
        check=True,
        capture_output=True,
        cwd=directory.name,
    )
    return directory


def _site() -> Site:
    return Site(harness_process.free_port(), Path(_tree().name) / "www")


@contextlib.contextmanager
def _netd(*, tls: bool) -> Iterator[Served]:
    site = _site()
    with harness_process.netd(NETD.format(site, TEXT, tls=tls), site.port) as process:
        yield Served(site, process.pid)


@contextlib.contextmanager
def _nginx(*, tls: bool) -> Iterator[Served]:
    site = _site()
    config = _configure(site, NGINX.format(site, TEXT, tls=tls))
    with harness_process.program(["nginx", "-e", "stderr", "-c", config], site.port) as process:
        yield Served(site, process.pid)


@contextlib.contextmanager
def _lighttpd(*, tls: bool) -> Iterator[Served]:
    site = _site()
    config = _configure(site, LIGHTTPD.format(site, TEXT, tls=tls))
    with harness_process.program(["lighttpd", "-D", "-f", config], site.port) as process:
        yield Served(site, process.pid)


@contextlib.contextmanager
def _python(command: tuple[str, ...]) -> Iterator[Served]:
    """A server of Python applications, in whose command {port} and {root} are filled in."""
    site = _site()
    (site.root / "app.py").write_text(APPLICATIONS.replace("@TEXT", TEXT))
    filled = [word.format(port=site.port, root=site.root) for word in command]
    with harness_process.program(filled, site.port) as process:
        yield Served(site, process.pid)


@contextlib.contextmanager
def _http_server() -> Iterator[Served]:
    site = _site()
    command = [
        *(sys.executable, "-m", "http.server", str(site.port), "--bind", "127.0.0.1"),
        *("--directory", str(site.root), "--protocol", "HTTP/1.1"),
    ]
    with harness_process.program(command, site.port) as process:
        yield Served(site, process.pid)


def _configure(site: Site, text: str) -> str:
    path = site.root.parent / f"config-{site.port}"
    path.write_text(text)
    return str(path)

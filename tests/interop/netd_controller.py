"""irctest's controller for netd: writes a configuration for each test, and starts `netd run`.

Not a test of this suite: irctest imports it, see README.md. NETD_BIN is the command to run.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shlex
import shutil
import socket
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from irctest.basecontrollers import (  # type: ignore[import-not-found]  # lives in its own checkout
    BaseServerController,
    DirectoryBasedController,
)
from irctest.runner import NotImplementedByController  # type: ignore[import-not-found]
from irctest.specifications import (  # type: ignore[import-not-found]
    Capabilities,
    OptionalBehaviors,
)

CAPABILITIES = (
    "account-notify account-tag away-notify batch echo-message extended-join extended-monitor "
    "labeled-response message-tags multi-prefix server-time setname draft/message-redaction "
    "draft/multiline draft/read-marker"
)
BEHAVIOURS = (
    "BAN_EXCEPTION_MODE CAP_REQ_MINUS ELIST_C ELIST_M ELIST_N ELIST_T ELIST_U "
    "INVITE_EXCEPTION_MODE INVITE_LIST INVITE_OVERRIDES_LIMIT MULTI_JOIN MULTI_KICK "
    "MULTI_NAMES_COMMAND MULTI_PRIVMSG"
)
ISUPPORT = {
    "ACCOUNTEXTBAN": "a",
    "CASEMAPPING": "ascii",
    "ELIST": "CMNTU",
    "EXTBAN": ",am",
    "PREFIX": "(ov)@+",
    "STATUSMSG": "@+",
    "UTF8ONLY": None,
    "WHOX": None,
}
_ENGINE = os.environ.get("NETD_ENGINE", "")  # as in `cluster`: each server is two hosts, or
_WORKERS = int(os.environ.get("NETD_WORKERS", "1"))  # one host with several workers
_CHAT = {
    "kind": "chat",
    "server_name": "My.Little.Server",  # irctest expects this name
    "network": "test server",  # and this description in LINKS
    "channel": "",  # tests count channels
    "replay_lines": 0,  # and lines
    "flood_rate": 0,
    "nick_length": 32,
    "multiline_lines": 32,  # as irctest's tests for Ergo
}


def render(settings: dict[str, Any], accounts: list[tuple[str, str]], web: str) -> str:
    """The configuration as TOML; `web` is the address of an HTTP listener, empty for none."""
    lines = ["[netd]", f"control = {json.dumps(settings.pop('control'))}", "[listeners.chat]"]
    cluster = settings.pop("cluster", {})
    lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    lines += [f"cluster.{key} = {json.dumps(value)}" for key, value in cluster.items()]
    for table, credentials in (
        ("opers", [("operuser", "operpassword")]),
        ("accounts", [("interop", "secret"), *accounts]),
    ):
        for name, password in credentials:
            lines.append(f"[[listeners.chat.{table}]]")
            lines.append(f"name = {json.dumps(name)}")
            lines.append(f"password = {json.dumps(password, ensure_ascii=False)}")
    if web:
        lines += ["[listeners.web]", 'kind = "http"', f"address = {json.dumps(web)}"]
        lines.append('routes = [{ chat = "chat" }]')
    return "\n".join(lines) + "\n"


def _wants_always_on(config: Any) -> bool:
    """Whether a test's changes of Ergo's configuration let members stay without a client."""
    multiclient: dict[str, Any] = {}
    if config.ergo_config is None:
        return False
    try:
        config.ergo_config({"accounts": {"multiclient": multiclient}})
    except KeyError:  # they are about another section
        return False
    return multiclient.get("always-on") == "opt-out"


def _wants_proxy(config: Any) -> bool:
    """Whether a test's changes of Ergo's configuration let the listeners require PROXY headers."""
    listeners: dict[str, Any] = {"": None}
    if config.ergo_config is None:
        return False
    try:
        config.ergo_config({"server": {"listeners": listeners}})
    except KeyError:  # they are about another section
        return False
    return bool((listeners[""] or {}).get("proxy"))


class Turnstile:
    """Passes connections to several ports on, in turn."""

    def __init__(self, address: tuple[str, int], ports: list[int]) -> None:
        self._host = address[0]
        self._ports = itertools.cycle(ports)
        self._listening = socket.create_server(address)
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End it with all connections."""
        for sock in [self._listening, *self._sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = _connect(self._host, next(self._ports))
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _connect(host: str, port: int) -> socket.socket:
    """Connect to a server that may not have started yet."""
    for _ in range(3000):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection((host, port))
        time.sleep(0.02)
    raise ConnectionRefusedError


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class NetdController(BaseServerController, DirectoryBasedController):  # type: ignore[misc]  # untyped bases
    """One server for one test."""

    software_name = "netd"
    supports_sts = False
    extban_mute_char = "m"
    supported_sasl_mechanisms = frozenset({"PLAIN", "SCRAM-SHA-256"})
    capabilities = frozenset(Capabilities.from_name(name) for name in CAPABILITIES.split())
    optional_behaviors = frozenset(OptionalBehaviors[name] for name in BEHAVIOURS.split())
    isupport = ISUPPORT
    _port_wait_interval = 0.02
    sync_sleep_time = 0.1 if _ENGINE else 0.0  # a line that a client sends to another host

    def get_hostname_and_port(self) -> tuple[str, int]:
        """A port on the loopback interface; irctest's own choice listens on all interfaces."""
        return "127.0.0.1", super().get_hostname_and_port()[1]

    def run(  # noqa: PLR0913 (irctest calls it so)
        self,
        hostname: str,
        port: int,
        *,
        password: str | None,
        ssl: bool,
        run_services: bool,  # noqa: ARG002 (accounts are netd's own)
        faketime: str | None = None,
        websocket_hostname: str | None = None,
        websocket_port: int | None = None,
    ) -> None:
        """Start netd with the configuration that the test needs."""
        if ssl:
            raise NotImplementedByController("TLS")
        self.hostname, self.port = hostname, port
        self.create_config()
        self._accounts: list[tuple[str, str]] = []
        self._password = password or ""
        self._room = (
            uuid.uuid4().hex
        )  # a port can be one of an earlier test, whose room the engine has
        self._web = f"tcp://{websocket_hostname}:{websocket_port}" if websocket_port else ""
        self._ports = [port]
        self._configs = [Path(self.directory) / "netd.toml"]
        self._processes: list[subprocess.Popen[bytes]] = []
        self._turnstile: Turnstile | None = None
        self._write()
        if _ENGINE and _WORKERS == 1:
            self._start_pair()
        prefix: list[str] = []
        if faketime and shutil.which("faketime"):
            prefix = ["faketime", "-f", faketime]
            self.faketime_enabled = True
        self._start(prefix)

    def _start(self, prefix: list[str]) -> None:
        for config_file in self._configs:
            command = [*shlex.split(os.environ["NETD_BIN"]), "run", "--config", str(config_file)]
            command = [*prefix, *command]
            self._processes.append(self.execute(command, proc_name="netd", cwd=str(self.directory)))
        self.proc = self._processes.pop(0)

    def restart(self) -> None:
        """Stop the server, which has one host, and start it again."""
        self.kill_proc()
        self.port_open = False
        self._start([])
        self.wait_for_port()

    def _start_pair(self) -> None:
        """Have two hosts with one chat, to which clients connect in turn."""
        self._ports = [super(NetdController, self).get_hostname_and_port()[1] for _ in range(2)]
        self._configs = [Path(self.directory) / f"netd{port}.toml" for port in self._ports]
        self._turnstile = Turnstile((self.hostname, self.port), self._ports)
        self._write()

    def kill(self) -> None:
        """End the second host as well."""
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()
        if self._turnstile is not None:
            self._turnstile.close()
            self._turnstile = None
        super().kill()

    def _write(self) -> None:
        for config, port in zip(self._configs, self._ports, strict=True):
            self._write_one(config, port)

    def _write_one(self, config: Path, port: int) -> None:
        settings = {
            "control": f"{self.directory}/control{port}.sock",
            **_CHAT,
            "address": f"tcp://{self.hostname}:{port}",
            "password": self._password,
            "proxy_protocol_from": "127.0.0.1",
            "always_on": _wants_always_on(self.test_config),
            "proxy_protocol": "required" if _wants_proxy(self.test_config) else "optional",
            "registration.before_connect": self.test_config.account_registration_before_connect,
            "registration.require_email": self.test_config.account_registration_requires_email,
        }
        if not _ENGINE:
            settings["history_file"] = f"{self.directory}/chat{port}.db"
        else:
            cluster = {"engine": _ENGINE, "name": self._room, "node": f"n{port}"}
            settings["cluster"] = cluster
            settings["workers"] = _WORKERS
        web = self._web if port == self._ports[0] else ""
        config.write_text(render(settings, self._accounts, web))

    def wait_for_services(self) -> None:
        """Accounts are netd's own: there is nothing to wait for."""

    def registerUser(self, _case: object, username: str, password: str | None = None) -> None:  # noqa: N802 (irctest's name)
        """Add an account to the configuration while the server runs, and reload."""
        if password is None:
            raise NotImplementedByController("accounts without a password")
        self.wait_for_port()
        self._accounts.append((username, password))
        self._write()
        for config, port in zip(self._configs, self._ports, strict=True):
            _connect(self.hostname, port).close()  # it has started
            command = [*shlex.split(os.environ["NETD_BIN"]), "reload", "--config", str(config)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def get_irctest_controller_class() -> type[NetdController]:
    """The entry point that irctest expects."""
    return NetdController

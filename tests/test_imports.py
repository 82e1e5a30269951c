"""Holds the house's import table: data flows one way, and so do imports."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import netd
from netd.listeners.kinds import KINDS

ROOT = Path(netd.__file__).parent
PURE_FORBIDDEN = {
    *("socket", "select", "asyncio", "os", "subprocess", "threading", "logging"),
    *("time", "random", "secrets"),
}
CORE = ("netd.errors", "netd.protocols", "netd.config")
CONTROL = (
    *("netd.errors", "netd.protocols.control", "netd.config.paths", "netd.commands"),
    "netd.supervisor.control_client",
)
HTTP_OPTIONS = ("netd.listeners.http.options", "netd.listeners.http.route_options")
CLIENT_FRONT = (
    "netd.client.core",
    "netd.client.client_settings",
    "netd.client.server_connection",
    "netd.client.connector",
    "netd.client.stdin",
    "netd.client.state_files",
    "netd.client.chat_log",
)
PURE = (
    "netd.protocols",
    "netd.listeners.chat.room",
    "netd.listeners.http.protocol",
    "netd.client.core",
    "netd.supervisor.plan",
    "netd.supervisor.lifecycle",
    "netd.listeners.restart_policy",
    "netd.listeners.logins.login_queue",
)

# What a part of the package may import of the package; the longest prefix that fits rules.
ALLOWED = {
    "netd.errors": (),
    "netd.protocols": ("netd.errors", "netd.protocols"),
    "netd.config": ("netd.errors", "netd.protocols", "netd.config"),
    "netd.supervisor.plan": ("netd.errors", "netd.protocols", "netd.config"),
    "netd.supervisor.lifecycle": (),
    "netd.status_text": (),
    "netd.runtime": ("netd.errors", "netd.runtime"),
    "netd.listeners.counters": (),
    "netd.listeners.restart_policy": (),
    "netd.listeners.full_notice": ("netd.runtime",),
    "netd.listeners.kind": (*CORE, "netd.runtime", "netd.listeners.counters"),
    "netd.listeners.link_endpoint": (*CORE, "netd.runtime"),
    "netd.listeners.bundle": (*CORE, "netd.runtime", "netd.listeners.kind"),
    "netd.listeners.handover_port": (
        *(*CORE, "netd.runtime", "netd.listeners.kind", "netd.listeners.bundle"),
    ),
    "netd.listeners.worker": (
        *(*CORE, "netd.runtime", "netd.listeners.kind", "netd.listeners.link_endpoint"),
        "netd.listeners.handover_port",
    ),
    "netd.listeners.admission": (*CORE, "netd.runtime", "netd.listeners.counters"),
    "netd.listeners.probe_connection": (*CORE, "netd.runtime"),
    "netd.listeners.connection_set": (*CORE, "netd.runtime", "netd.listeners"),
    "netd.listeners.stream_service": (*CORE, "netd.runtime", "netd.listeners"),
    "netd.listeners.certificate": (*CORE, "netd.runtime", "netd.listeners.tls_options"),
    "netd.listeners.proxy_headers": ("netd.errors", "netd.protocols", "netd.runtime"),
    "netd.listeners.tls_options": CORE,
    "netd.listeners.logins.login_options": CORE,
    "netd.listeners.logins.login_queue": (
        "netd.listeners.logins.login_options",
        "netd.protocols.record",
    ),
    "netd.listeners.logins.login_log": ("netd.runtime",),
    "netd.listeners.logins.password_verifier": (
        *(*CORE, "netd.runtime", "netd.listeners.admission", "netd.listeners.counters"),
        *("netd.listeners.logins.login_options", "netd.listeners.logins.login_queue"),
        "netd.listeners.logins.login_log",
    ),
    **{f"netd.listeners.{kind}": (*CORE, "netd.runtime", "netd.listeners") for kind in KINDS},
    "netd.listeners.http.connection": (
        *(*CORE, "netd.runtime", "netd.listeners.certificate", "netd.listeners.tls_options"),
        *("netd.listeners.http.connection", "netd.listeners.http.response"),
        "netd.listeners.http.protocol",
    ),
    "netd.listeners.http.response": (
        *(*CORE, "netd.runtime", *HTTP_OPTIONS),
        *("netd.listeners.http.response", "netd.listeners.http.routes"),
        "netd.listeners.http.protocol",
    ),
    "netd.listeners.http.routes": (
        *(*CORE, "netd.runtime", *HTTP_OPTIONS, "netd.status_text"),
        *(
            "netd.listeners.admission",
            "netd.listeners.kind",
            "netd.listeners.logins.password_verifier",
        ),
        *("netd.listeners.http.routes", "netd.listeners.http.files"),
        *("netd.listeners.http.pages", "netd.listeners.http.protocol"),
    ),
    "netd.listeners.http.files": (
        *("netd.runtime", *HTTP_OPTIONS, "netd.status_text"),
        *("netd.listeners.http.files", "netd.listeners.http.protocol"),
        "netd.listeners.http.pages",
    ),
    "netd.listeners.http.options": (
        *(*CORE, "netd.listeners.logins.login_options", "netd.listeners.tls_options"),
        "netd.listeners.http.route_options",
    ),
    "netd.listeners.http.route_options": CORE,
    "netd.listeners.chat.room": ("netd.errors", "netd.protocols", "netd.listeners.chat.room"),
    "netd.listeners.http.pages": (),
    "netd.listeners.http.protocol": (
        *("netd.errors", "netd.protocols.hook"),
        *("netd.listeners.http.pages", "netd.listeners.http.protocol"),
    ),
    "netd.listeners.kinds": ("netd.listeners",),
    "netd.supervisor": (
        *(*CORE, "netd.runtime", "netd.supervisor"),
        *("netd.listeners.counters", "netd.listeners.kind", "netd.listeners.restart_policy"),
        *("netd.listeners.link_endpoint", "netd.listeners.worker", "netd.listeners.bundle"),
    ),
    "netd.client": ("netd.errors", "netd.protocols", "netd.runtime.replaced_file", *CLIENT_FRONT),
    "netd.client.app": ("netd.client",),
    "netd.client.core": ("netd.errors", "netd.protocols", "netd.client.core"),
    "netd.client.screen": ("netd.client.screen", *CLIENT_FRONT),
    "netd.commands": ("netd.errors", "netd.config.paths", "netd.commands"),
    **dict.fromkeys(("netd.commands.reload", "netd.commands.upgrade"), CONTROL),
    "netd.commands.status": (*CONTROL, "netd.status_text"),
    "netd.commands.probe": (*CONTROL, *CORE, "netd.listeners", "netd.runtime"),
    "netd.commands.check": (
        *(*CONTROL, *CORE, "netd.listeners", "netd.runtime.identity"),
        *("netd.supervisor.control_server", "netd.supervisor.port_check"),
        "netd.supervisor.trial",
    ),
    "netd.commands.config": (*CORE, "netd.commands", "netd.listeners"),
    "netd.commands.account": (*CORE, "netd.commands", "netd.listeners"),
    "netd.commands.backup": (*CORE, "netd.commands", "netd.listeners", "netd.runtime"),
    "netd.commands.passwd": ("netd.commands", "netd.protocols"),
    "netd.commands.setup": ("netd.commands", "netd.errors"),
    "netd.commands.run": (
        *(*CORE, "netd.commands", "netd.listeners", "netd.runtime", "netd.supervisor"),
    ),
    "netd.cli": ("netd.commands", "netd.errors"),
    "netd.__main__": ("netd.cli",),
    "netd": (),
}


@functools.cache
def modules() -> tuple[str, ...]:
    paths = [("netd", *path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.rglob("*.py")]
    return tuple(sorted(".".join(path).removesuffix(".__init__") for path in paths))


@functools.cache
def imported(module: str) -> frozenset[str]:
    base = ROOT.joinpath(*module.split(".")[1:])
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = names.intersection(modules())
            found |= submodules if submodules == names else submodules | {node.module or ""}
    return frozenset(found)


def is_within(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_rank_allows(module: str) -> None:
    part = max((part for part in ALLOWED if is_within(module, part)), key=len)
    for name in imported(module):
        if name == "netd" or not is_within(name, "netd"):
            continue
        assert any(is_within(name, allowed) for allowed in ALLOWED[part]), f"{module}: {name}"


@pytest.mark.parametrize("module", [m for m in modules() if any(is_within(m, p) for p in PURE)])
def test_pure_modules_open_nothing_and_read_no_clock(module: str) -> None:
    assert not {name.split(".")[0] for name in imported(module)} & PURE_FORBIDDEN


def loaded_by(command: str) -> set[str]:
    """The modules that are loaded when the arguments of a command have been parsed."""
    code = f"import sys, netd.cli; netd.cli.build_parser([{command!r}]); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_a_daemon_holds_nothing_heavy_that_it_may_not_need() -> None:
    loaded = loaded_by("run")
    assert "netd.listeners.http.options" in loaded
    assert not loaded & {f"netd.listeners.{kind}.service" for kind in KINDS}
    assert not loaded & {"pydantic", "pydantic_core", "ssl", "_hashlib", "sqlite3"}
    assert {name for name in loaded if is_within(name, "netd.commands")} == {
        *("netd.commands", "netd.commands.config_file", "netd.commands.output"),
        "netd.commands.run",
    }


@pytest.mark.parametrize("command", ["reload", "status"])
def test_a_command_holds_no_part_of_the_daemon(command: str) -> None:
    loaded = loaded_by(command)
    assert "netd.supervisor.control_client" in loaded
    parts = ("netd.listeners", "netd.supervisor.supervisor", "netd.config.model", "pydantic")
    assert not [name for name in loaded if any(is_within(name, part) for part in parts)]


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_knows_another(kind: str) -> None:
    others = [f"netd.listeners.{other}" for other in KINDS if other != kind]
    for module in modules():
        if is_within(module, f"netd.listeners.{kind}"):
            assert not [n for n in imported(module) if any(is_within(n, o) for o in others)]


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports under TYPE_CHECKING count too: they tie modules together all the same."""
    left = {module: imported(module) for module in modules()}
    while free := [module for module, names in left.items() if not names & left.keys() - {module}]:
        for module in free:
            del left[module]
    assert not left, f"in a circle, or above one: {sorted(left)}"

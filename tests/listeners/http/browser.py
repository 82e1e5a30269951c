"""Chromium without a screen, controlled through chromedriver by the WebDriver protocol."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.support import PATIENCE_S

_ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--hide-scrollbars",
]
_KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Space": " ", "Up": "\ue013", "Escape": "\ue00c"}


class Browser:
    """One browser window."""

    def __init__(self, session: str) -> None:
        self._session = session

    def visit(self, url: str) -> None:
        """Load a page and wait for it."""
        self._post("url", {"url": url})

    def run(self, script: str) -> Any:
        """Run the body of a JavaScript function and return its value."""
        return self._post("execute/sync", {"script": script, "args": []})

    def run_async(self, script: str) -> Any:
        """Run the body of a JavaScript function that calls `done(value)`, and return the value."""
        body = f"const done = arguments[arguments.length - 1]; {script}"
        return self._post("execute/async", {"script": body, "args": []})

    def console(self) -> list[str]:
        """The messages on the console since the last call."""
        return [entry["message"] for entry in self._post("se/log", {"type": "browser"})]

    def type(self, text: str) -> None:
        """Type a text into the element that has the focus."""
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._post("actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def press(self, *names: str) -> None:
        """Press and release keys."""
        keys = [_KEYS[name] for name in names]
        actions = [{"type": type_, "value": key} for key in keys for type_ in ("keyDown", "keyUp")]
        self._post("actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def resize(self, width: int, height: int) -> None:
        """Resize the window."""
        self._post("window/rect", {"width": width, "height": height})

    def prefer(self, scheme: str) -> None:
        """Set the preferred colour scheme, `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        command = {"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}}
        self._post("goog/cdp/execute", command)

    def save(self, path: Path) -> None:
        """Save a screenshot."""
        with urlopen(f"{self._session}/screenshot", None, PATIENCE_S) as response:
            path.write_bytes(base64.b64decode(json.load(response)["value"]))

    def _post(self, command: str, body: dict[str, Any]) -> Any:
        return post(f"{self._session}/{command}", body)


def post(url: str, body: dict[str, Any]) -> Any:
    """Send a WebDriver command and return its value."""
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, None, PATIENCE_S) as response:
        return json.load(response)["value"]


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait until no other process of the tests drives a browser: each one has many processes."""
    with open(__file__, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start chromedriver and Chromium, and end them."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True) as driver,
    ):
        try:
            yield from _session(driver, directory)
        finally:
            driver.terminate()


def _session(driver: subprocess.Popen[str], directory: str) -> Iterator[Browser]:
    assert driver.stdout is not None
    found = (re.search(r"successfully on port (\d+)", line) for line in driver.stdout)
    port = next(match[1] for match in found if match)
    options = {"args": [*_ARGUMENTS, f"--user-data-dir={directory}"]}
    logging = {"browser": "ALL"}
    capabilities = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": logging}}
    base = f"http://127.0.0.1:{port}/session"
    session = f"{base}/{post(base, {'capabilities': capabilities})['sessionId']}"
    try:
        yield Browser(session)
    finally:
        with urlopen(Request(session, method="DELETE"), None, PATIENCE_S):
            pass

"""Each page of netd is one document, and its policy permits its own style and script alone."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from pathlib import Path

from netd.listeners.http.pages import minify_style
from tests.listeners.http.http_client import Start, ask, write
from tests.programs import find, require

SOURCES = Path(__file__).parents[4] / "netd/listeners/http"


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def check_policy(page: str, policy: str) -> None:
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert f"style-src {hash_of(style)};" in policy
    for script in re.findall(r"<script>(.*?)</script>", page, re.DOTALL):
        assert f"script-src {hash_of(script)};" in policy
    assert policy.startswith("default-src 'none';")
    check_is_alone(page)


def check_is_alone(page: str) -> None:
    """The page names no other host, and has no style or script in an attribute."""
    assert set(re.findall(r"https?://[\w.]+", page)) <= {"http://www.w3.org"}  # the name of SVG
    assert not re.search(r' (style|on\w+)="', page)


def test_listings(start: Start, tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / f"{number}")
    response = ask(start({"path": "/", "directory": str(tmp_path), "listing": True}), "/")
    page = response.body.decode()
    assert "<script>" in page
    check_policy(page, response.fields["Content-Security-Policy"])


def test_errors_and_the_page_of_a_listener_without_routes(start: Start) -> None:
    worker = start()
    for target, status in (("/", 200), ("/nothing", 404)):
        response = ask(worker, target)
        assert response.status == status
        assert "<style>:root{color-scheme:light dark" in response.body.decode()
        check_is_alone(response.body.decode())


def test_the_types_of_the_scripts(tmp_path: Path) -> None:
    require("tsc")
    command = [
        *(find("tsc") or "tsc", "--checkJs", "--allowJs", "--noEmit", "--strict"),
        *("--target", "es2022", "--lib", "esnext,dom,dom.iterable", "--noUncheckedIndexedAccess"),
        *("--moduleDetection", "force"),  # the scripts are of different pages
        *(str(SOURCES / "routes/status.js"), str(SOURCES / "files/listing.js")),
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (run.stdout, run.returncode) == ("", 0)


def test_minified_styles_mean_the_same() -> None:
    style = """\
a > b, c:hover::before { margin: 0 1px; content: " ↑" }
@media (max-width: 4rem) { d { width: calc(100% - 9rem) } }
"""
    assert minify_style(style) == (
        'a>b,c:hover::before{margin:0 1px;content:" ↑"}@media (max-width:4rem)'
        "{d{width:calc(100% - 9rem)}}"
    )

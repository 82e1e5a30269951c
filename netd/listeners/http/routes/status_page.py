"""The status page: the daemon's listeners, their workers, and their counters.

The page is made here. Its script fetches it again each second, updates the cells that have
changed and calculates the rates. Without the script the browser reloads it.
"""

from __future__ import annotations

import html
import json
import time
from collections.abc import Iterator
from typing import Any, Final

from netd.listeners.http.pages import (
    ICON_LINK,
    STYLE,
    format_document,
    format_policy,
    minify_style,
    read_beside,
)
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.response import DeferredResponse, Response
from netd.listeners.http.routes.daemon_status import DaemonStatus
from netd.status_text import format_size, format_uptime

_STYLE: Final = STYLE + minify_style(read_beside(__name__, "status.css"))
_SCRIPT: Final = read_beside(__name__, "status.js")
_POLICY: Final = format_policy(
    _STYLE, _SCRIPT, "connect-src 'self'", "img-src data:", "form-action 'none'"
)
_FIELDS: Final = (("Cache-Control", "no-store"), ("Content-Security-Policy", _POLICY))
# Without the script, the browser loads the page again.
_REFRESH: Final = '<noscript><meta http-equiv="refresh" content="5"></noscript>\n'
_BODY: Final = """<header>
<h1>netd <span data-cell="version">{version}</span></h1>
<p data-cell="state" data-state="{state}">{state}</p>
<p>up <span data-cell="uptime">{uptime}</span></p>
<p>pid <span data-cell="pid">{pid}</span></p>
<p id="note" role="status"></p>
<button type="button" aria-pressed="false" hidden>Pause</button>
</header>
<main data-uptime="{uptime_s}">
{main}
</main>
<script>{script}</script>
"""
_LISTENER_HEADINGS: Final = (
    *("Listener", "State", "Activity in the last minute"),
    *("Connections now", "Connections total", "Connections refused", "Bytes in", "Bytes out"),
    "Addresses",
)
_WORKER_HEADINGS: Final = ("Worker", "Listener", "State", "Uptime", "Restarts", "Last error")
_NUMBERS: Final = frozenset({*_LISTENER_HEADINGS[3:8], "Uptime", "Restarts"})
# The counter that shows how busy a listener is, by the first of these that it has.
_ACTIVITIES: Final = {"requests": "requests", "lines": "lines", "accepted": "connections"}


class StatusPage:
    """The handler of a route with `status`; `?json` sends what `netd status --json` prints."""

    methods = frozenset({"GET", "HEAD"})
    takes_body = False

    def __init__(self, daemon: DaemonStatus) -> None:
        self._daemon = daemon

    def respond(self, request: Request, _path: str, _body: bytes) -> Response | DeferredResponse:
        return self._daemon.respond(_json if request.query == b"json" else _page)


def _json(status: dict[str, Any]) -> Response:
    fields = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
    return Response(200, fields, (json.dumps(status, indent=2).encode() + b"\n",))


def _page(status: dict[str, Any]) -> Response:
    fields = (("Content-Type", "text/html; charset=utf-8"), *_FIELDS)
    return Response(200, fields, (format_page(status).encode(),))


def format_page(status: dict[str, Any]) -> str:
    """Format the page from the status that `netd status --json` prints."""
    body = _BODY.format(
        version=html.escape(status["version"]),
        state=html.escape(status["state"]),
        uptime=format_uptime(status["uptime_s"]),
        uptime_s=status["uptime_s"],
        pid=status["pid"],
        main="\n".join(_main(status)),
        script=_SCRIPT,
    )
    return format_document("netd status", body, style=_STYLE, head=ICON_LINK + _REFRESH)


def _main(status: dict[str, Any]) -> Iterator[str]:
    listeners = status["listeners"]
    yield _last_reload(status["last_reload"])
    yield '<h2 id="listeners">Listeners</h2>'
    rows = [_listener_row(listener) for listener in listeners]
    yield from _table("listeners", _LISTENER_HEADINGS, rows)
    yield "<p>Totals count from the start of the daemon.</p>"
    yield '<h2 id="workers">Workers</h2>'
    rows = [
        _worker_row(listener["name"], worker)
        for listener in listeners
        for worker in listener["workers"]
    ]
    yield from _table("workers", _WORKER_HEADINGS, rows)
    yield "<h2>Counters</h2>"
    for listener in listeners:
        yield _counters(listener)


def _last_reload(reload: dict[str, Any] | None) -> str:
    outcome = text = ""
    if reload is not None:
        outcome = "taken" if reload["ok"] else "refused"
        at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(reload["at"]))
        text = f"Last reload {outcome}, {at}: {html.escape(reload['detail'])}"
    return f'<p data-cell="reload" data-outcome="{outcome}">{text}</p>'


def _table(name: str, headings: tuple[str, ...], rows: list[list[str]]) -> Iterator[str]:
    """Make the table under the heading with the id `name`; narrow screens label its cells."""
    header = "".join(map(_heading, headings))
    yield f'<div class="scroll" role="region" aria-labelledby="{name}" tabindex="0">'
    yield f'<table class="{name}"><thead><tr>{header}</thead><tbody>'
    for row in rows:
        cells = zip(headings, row, strict=True)
        yield "<tr>" + "".join(cell.replace("<td", f'<td data-label="{h}"', 1) for h, cell in cells)
    yield "</tbody></table></div>"


def _heading(text: str) -> str:
    css_class = ' class="number"' if text in _NUMBERS else ""
    return f'<th scope="col"{css_class}>{text}'


def _listener_row(listener: dict[str, Any]) -> list[str]:
    name, counters = listener["name"], listener["counters"]
    key = html.escape(f"{name}/")
    return [
        f'<th scope="row">{html.escape(name)} <small>{html.escape(listener["kind"])}</small>',
        _state(key, listener["state"]),
        _activity(key, counters),
        _number(key + "now", counters.get("connections", 0)),
        _number(key + "total", counters.get("accepted", 0)),
        _number(key + "refused", counters.get("refused", 0)),
        _cell(key + "in", format_size(counters.get("bytes_in", 0)), "number"),
        _cell(key + "out", format_size(counters.get("bytes_out", 0)), "number"),
        _cell(key + "where", "\n".join(listener["addresses"]), "where"),
    ]


def _activity(key: str, counters: dict[str, int]) -> str:
    """Make the cell of a graph, its maximum and the present rate, which the script fills."""
    name = next((name for name in _ACTIVITIES if name in counters), "accepted")
    return (
        f'<td class="activity"><svg viewBox="0 0 60 22" '
        'preserveAspectRatio="none" aria-hidden="true"><path d="M0 1H60M0 21H60"/>'
        "<polygon/><polyline/></svg>"
        f'<span class="maximum"></span><span><span data-cell="{key}rate" '
        f'data-total="{counters.get(name, 0)}"></span> {_ACTIVITIES[name]}</span>'
    )


def _worker_row(name: str, worker: dict[str, Any]) -> list[str]:
    key = html.escape(f"{name}/{worker['pid']}/")
    return [
        f'<th scope="row">{worker["pid"] or "-"}',
        f"<td>{html.escape(name)}",
        _state(key, worker["state"]),
        _cell(key + "uptime", format_uptime(worker["uptime_s"]), "number"),
        _number(key + "restarts", worker["restarts"]),
        _cell(key + "error", worker["last_error"].partition("\n")[0], "where"),
    ]


def _state(key: str, state: str) -> str:
    state = html.escape(state)
    return f'<td><span data-cell="{key}state" data-state="{state}">{state}</span>'


def _number(key: str, count: int) -> str:
    return _cell(key, f"{count:,}", "number")


def _cell(key: str, text: str, css_class: str) -> str:
    return f'<td class="{css_class}" data-cell="{key}">{html.escape(text)}'


def _counters(listener: dict[str, Any]) -> str:
    name = html.escape(listener["name"])
    entries = "".join(
        f"<div><dt>{counter.replace('_', ' ')}</dt>"
        f'<dd data-cell="{name}/{counter}">{count:,}</dd></div>'
        for counter, count in listener["counters"].items()
    )
    return f"<details><summary>{name}</summary><dl>{entries}</dl></details>"

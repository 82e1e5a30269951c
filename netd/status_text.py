"""The text that `netd status` prints: the daemon's status as tables."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_SHORT_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))
_BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_HEADINGS = ("LISTENER", "KIND", "STATE", "NOW", "TOTAL", "REFUSED", "IN", "OUT", "ADDRESSES")
_RATE_HEADINGS = ("LISTENER", "CONNECTIONS/S", "REQUESTS OR LINES/S", "REFUSED/S", "IN/S", "OUT/S")
_ACTIVITIES = ("requests", "lines")  # the total that counts what clients ask for, by kind
_WORKER_HEADINGS = ("WORKER", "OF", "STATE", "UPTIME", "RESTARTS", "LAST ERROR")


def format_status(status: dict[str, Any]) -> str:
    """The whole report: headline, last reload, listeners, workers, ends of certificates."""
    uptime = format_uptime(status["uptime_s"])
    headline = f"netd {status['version']}, pid {status['pid']}, {status['state']}, up {uptime}"
    listeners = status["listeners"]
    parts = [headline, _last_reload(status["last_reload"])]
    parts.append(format_table([_HEADINGS, *map(_listener_row, listeners)]))
    rows = [
        _worker_row(listener["name"], worker)
        for listener in listeners
        for worker in listener["workers"]
    ]
    parts.append(format_table([_WORKER_HEADINGS, *rows]))
    parts.append("\n".join(_certificate_ends(listeners, time.time())))
    return "\n\n".join(part for part in parts if part)


def format_rates(before: dict[str, Any], now: dict[str, Any]) -> str:
    """A table of what each listener does each second, between two statuses of a daemon."""
    seconds = now["uptime_s"] - before["uptime_s"]
    if seconds <= 0:  # the same status, or another daemon
        return ""
    earlier = {listener["name"]: listener["counters"] for listener in before["listeners"]}
    rows = [
        _rate_row(listener["name"], earlier[listener["name"]], listener["counters"], seconds)
        for listener in now["listeners"]
        if listener["name"] in earlier
    ]
    return format_table([_RATE_HEADINGS, *rows])


def _rate_row(
    name: str, before: dict[str, int], now: dict[str, int], seconds: float
) -> tuple[str, ...]:
    def rate(*counters: str) -> float:
        counted = [name for name in counters if name in now]
        return sum(max(0, now[name] - before.get(name, 0)) for name in counted) / seconds

    return (
        name,
        f"{rate('accepted'):.0f}",
        f"{rate(*_ACTIVITIES):.0f}",
        f"{rate('refused'):.0f}",
        format_size(round(rate("bytes_in"))),
        format_size(round(rate("bytes_out"))),
    )


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell, two blanks between."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def format_uptime(seconds: float) -> str:
    """`3d 4h`, `5m 12s`, `0.4s`: the two largest units that matter."""
    if seconds < 60:  # noqa: PLR2004 (seconds in a minute)
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"  # noqa: PLR2004
    rest, parts = round(seconds), []
    for size, unit in _SHORT_UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join([*parts, f"{rest}s"][:2])


def format_size(count: int) -> str:
    """`0 B`, `1.5 MiB`."""
    size = float(count)
    for unit in _BINARY_UNITS[:-1]:
        if size < 1024:  # noqa: PLR2004 (bytes in a KiB)
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_BINARY_UNITS[-1]}"


def _last_reload(outcome: dict[str, Any] | None) -> str:
    if outcome is None:
        return ""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(outcome["at"]))
    if outcome["ok"]:
        return f"last reload {at}: {outcome['detail']}"
    errors = "".join(f"\n  {line}" for line in outcome["detail"].splitlines())
    return f"last reload {at}: refused, the configuration before it goes on{errors}"


def _certificate_ends(listeners: Iterable[dict[str, Any]], now: float) -> Iterator[str]:
    """Yield a line for each listener with TLS: when the first of its certificates expires."""
    for listener in listeners:
        moments = listener.get("moments", {})
        end = moments.get("certificate_expiry")
        if end is None:
            continue
        day = time.strftime("%Y-%m-%d", time.localtime(end))
        when = f"expires in {format_uptime(end - now)}" if end > now else "has expired"
        overdue = ", a renewal is overdue" if now >= moments.get("certificate_renewal", end) else ""
        yield f"certificate of {listener['name']}: {when} ({day}){overdue}"


def _listener_row(listener: dict[str, Any]) -> tuple[str, ...]:
    counters = listener["counters"]
    return (
        listener["name"],
        listener["kind"],
        listener["state"],
        str(counters.get("connections", 0)),
        str(counters.get("accepted", 0)),
        str(counters.get("refused", 0)),
        format_size(counters.get("bytes_in", 0)),
        format_size(counters.get("bytes_out", 0)),
        " ".join(listener["addresses"]),
    )


def _worker_row(name: str, worker: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(worker["pid"] or "-"),
        name,
        worker["state"],
        format_uptime(worker["uptime_s"]) if worker["pid"] else "-",
        str(worker["restarts"]),
        worker["last_error"].partition("\n")[0],
    )

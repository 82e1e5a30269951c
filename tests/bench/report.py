"""Reports results: a Markdown table, JSON, a bar chart where matplotlib is installed, and the page
of all measurements.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.bench.harness import Result, machine

_HEADER = ("median", "lowest to highest", "x best peer")
_LATENCIES = ("p50, ms", "p99, ms")
_PNG_INCHES = (10, 2.2)
_OURS, _PEERS, _LIMITS = "tab:blue", "tab:gray", "lightgray"
_PAGE_HEAD = """# Measurements

`python -m tests.bench report` writes this page. A benchmark runs netd and each peer that is
installed on the same work, turn by turn, over loopback; only the ratios of one run count. The row
"limit: a trivial server" is a program that does next to nothing: it shows how fast the load
generator is.
"""
SECTIONS = {
    "echo": """## Echo

A TCP listener on a loopback address uses the congestion control `reno`, since no network lies
between that a pacing default (BBR) would protect.
""",
    "chat": """## Chat

A delivery is one line that arrives at one member of the channel.
""",
    "http": """## HTTP

Each server has one worker process and writes no access log.
""",
    "memory": """## Memory

An idle daemon with a listener of each kind. Shared pages count in part for each process that
shares them (PSS).
""",
    "history": """## History

A chat whose database has a million lines, beside members who talk: how long one client waits for
CHATHISTORY and SEARCH, ten clients that send the next request as soon as they have the reply, and
a member that sends PINGs meanwhile.
""",
    "faults": """## Faults

Each server serves a short text with one worker process and otherwise its defaults: `netd`, nginx,
HAProxy and gunicorn over HTTP, supervisord by a trivial program that it starts, ngircd, which is
one process, as its message of the day. "First process" is the supervisor or master. Requests are
new connections; four clients make them one after the other. "All that follow" are lost if the
server does not serve again.
""",
    "restart": """## Restarts

What clients notice when a server is restarted (netd by a played systemd, the others as their Debian
units do), upgraded (`netd upgrade`; nginx by USR2), or reloaded so that it gets new workers. The
counts are those of all clients and rounds. A client that is refused tries again every 10 ms; one
that is disconnected connects again. "Shown" are lines such as QUIT and JOIN that another member of
the chat sees. The pause is the longest wait of a client around an event: for the response to its
request, for the next bytes of a stream, or for a line of another member.
""",
    "cluster": """## Several hosts

A channel with 100 members on each host. Ten members of each one send 300 lines as fast as they can
(60 to the peers, which take longer); lines/s counts until all members have all of them. The latency
is that of 100 lines a second of four members of the first host, to one of the last. All processes,
also Redis with `appendfsync everysec`, share the processors of one machine. The memory is that of a
member of another host. The second table shows what members see when servers cannot reach each other
for five seconds, and the third one many clients that connect and join one channel.
""",
    "attacks": """## Attacks

Twenty innocent clients send three small requests a second each, while others attack: a PING as
members of a channel with 820 members, or a GET of a short text. A figure is the time until the
reply: p50 / p99 / max. Thirty attackers (a hundred where passwords are guessed or members are lost)
send 20 requests at once and then 8 a second each, from one source address or from thirty. All
servers have their default limits, but any number of clients may connect from a loopback address,
and a client may join 50 channels; ngircd delays a client after each command ("penalty"). "-" is a
feature that the server does not have. netd's goal is a p99 of 20 ms and a maximum of 50 ms in each
row.

A figure that misses the goal has a second one in parentheses (p99 / max), without the time in which
the server or the client was ready to run but had no processor.
""",
    "soak": """## Soak

Six held and two new echo connections at a time, ten members who talk and four who join and part,
four keep-alive connections and two new ones at a time over HTTP, and a client of `/status` and
`/metrics`. A worker is killed every 20 seconds (echo, chat and HTTP in turn), and every 10 seconds
there is a reload, of which every second one starts or ends workers. Each row has the means of a
minute, and totals from the start. "Lost by a kill" are connections to a worker that was killed;
"errors" are wrong or missing replies to all other clients. A client opens an idle keep-alive
connection that the server has closed again without an error, as RFC 9112 section 9.3.1 permits.
""",
}


def page(directory: Path) -> str:
    """The page of measurements, from the tables that `write` kept in a directory."""
    tables = {name: (directory / f"{name}.md").read_text() for name in SECTIONS}
    return "\n".join([_PAGE_HEAD, *(f"{SECTIONS[name]}\n{tables[name]}" for name in SECTIONS)])


def replace_section(text: str, name: str, directory: Path) -> str:
    """The text of the page with one section written anew; the others stay as they are."""
    section = f"{SECTIONS[name]}\n{(directory / f'{name}.md').read_text()}\n"
    title = section.partition("\n")[0]
    head, found, rest = text.partition(f"{title}\n")
    if not found:  # a new section comes before the section that follows it
        names = list(SECTIONS)
        following = SECTIONS[names[names.index(name) + 1]].partition("\n")[0]
        head, _, rest = text.partition(following)
        return f"{head}{section}{following}{rest}"
    _, mark, rest = rest.partition("\n## ")
    return f"{head}{section}{mark[1:]}{rest}"


def markdown(results: Sequence[Result]) -> str:
    """A table of all works, then a table for each work with the goals that it met or missed."""
    return "\n\n".join([f"Measured on {machine()}.", *_overview(results), *map(_table, results)])


def write(results: Sequence[Result], directory: Path, name: str) -> list[Path]:
    """Keep the results as files; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    table, data, chart = (directory / f"{name}.{suffix}" for suffix in ("md", "json", "png"))
    table.write_text(markdown(results) + "\n")
    data.write_text(json.dumps(_plain(results), indent=2) + "\n")
    return [table, data, *([chart] if _draw(results, chart) else [])]


def _overview(results: Sequence[Result]) -> list[str]:
    """A table with a row for each work that has a goal: netd beside its best peer."""
    compared = [
        (result, goal, ratio)
        for result in results
        for goal in result.work.goals
        if (ratio := result.ratio(goal)) is not None
    ]
    if not compared:
        return []
    latencies = [name for name in _LATENCIES if any(name in r.detail_names() for r, *_ in compared)]
    rows = _head(["work", "netd", *latencies, "best peer", *latencies, "ratio", "goal"])
    for result, goal, ratio in compared:
        peer = result.best(goal.peers)
        ours = [_cell(result.detail(goal.ours, name)) for name in latencies]
        theirs = [_cell(result.detail(peer, name)) for name in latencies]
        figures = [f"{result.median(goal.ours):,.0f}", *ours]
        figures += [f"{peer}: {result.median(peer):,.0f}", *theirs]
        work = f"{result.work.name}, {result.work.unit}"
        rows.append(_row([work, *figures, f"{ratio:.2f}", f"{goal.ratio:g}"]))
    return ["\n".join(rows)]


def _table(result: Result) -> str:
    work = result.work
    limits = {server.name for server in work.servers if server.is_limit}
    ours = {goal.ours for goal in work.goals}
    peers = [name for name in result.samples if name not in ours | limits]
    best = result.median(result.best(peers)) if ours and peers else 0
    details = result.detail_names()
    rows = _head([f"{work.name}, {work.unit}", *_HEADER, *details])
    for name, samples in result.samples.items():
        ratio = f"{result.median(name) / best:.2f}" if best and name not in limits else ""
        spread = f"{min(samples):,.0f} to {max(samples):,.0f}"
        cells = [_cell(result.detail(name, detail)) for detail in details]
        rows.append(_row([name, f"{result.median(name):,.0f}", spread, ratio, *cells]))
    return "\n".join([*rows, *_goals(result)])


def _head(columns: Sequence[str]) -> list[str]:
    return [_row(columns), "|---" + "|--:" * (len(columns) - 1) + "|"]


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _goals(result: Result) -> list[str]:
    lines = []
    for goal in result.work.goals:
        ratio = result.ratio(goal)
        if ratio is not None:
            verdict = "reached" if ratio >= goal.ratio else "NOT reached"
            peer = result.best(goal.peers)
            lines.append(f"\n{goal.ours}: {ratio:.2f} x {peer}; goal {goal.ratio:g}, {verdict}.")
            beside = _beside(result, goal.ours, peer)
            lines += [f"\nBeside {peer}: {'; '.join(beside)}."] if beside else []
    return lines


def _beside(result: Result, ours: str, peer: str) -> list[str]:
    """The details, as ratios of medians."""
    pairs = [(n, result.detail(ours, n), result.detail(peer, n)) for n in result.detail_names()]
    return [
        f"{name.partition(',')[0]} {own / its:.2f} x" for name, own, its in pairs if own and its
    ]


def _plain(results: Sequence[Result]) -> dict[str, object]:
    return {
        "machine": machine(),
        "works": [
            {
                "name": result.work.name,
                "unit": result.work.unit,
                "samples": result.samples,
                "details": result.details,
                "goals": [
                    {
                        "ours": goal.ours,
                        "peers": goal.peers,
                        "ratio": goal.ratio,
                        "reached": result.ratio(goal),
                    }
                    for goal in result.work.goals
                ],
            }
            for result in results
        ],
    }


def _draw(results: Sequence[Result], path: Path) -> bool:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 (an extra, which only the chart needs)
    except ImportError:
        return False
    width, height = _PNG_INCHES
    figure = Figure(figsize=(width, height * len(results)), layout="constrained")
    figure.suptitle(machine(), fontsize="small")
    for axes, result in zip(figure.subplots(len(results), squeeze=False), results, strict=True):
        names = list(result.samples)[::-1]
        medians = [result.median(name) for name in names]
        colours = [_colour(result, name) for name in names]
        bars = axes[0].barh(names, medians, color=colours)
        axes[0].bar_label(bars, fmt="{:,.0f}", padding=3)
        axes[0].margins(x=0.1)
        axes[0].set_title(f"{result.work.name}, {result.work.unit}")
    figure.savefig(path)
    return True


def _colour(result: Result, name: str) -> str:
    if name in {goal.ours for goal in result.work.goals}:
        return _OURS
    limits = {server.name for server in result.work.servers if server.is_limit}
    return _LIMITS if name in limits else _PEERS

#!/usr/bin/env python3
"""Records the README's picture: netd and its commands in two real terminals, as an animated SVG.

    packaging/doc/record.py packaging/doc/netd.svg

Run it from a checkout whose .venv has netd. It needs tmux, nc and curl, and the free ports of
config/netd.toml.
"""
# ruff: noqa: S603 (it starts only the programs that it names)

from __future__ import annotations

import html
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
COLUMNS: Final = 114
ROWS: Final = {"server": 7, "client": 19}
_KEY_S, _LOOK_S, _PATIENCE_S = 0.05, 0.1, 20
_WIDTH, _HEIGHT, _MARGIN = 7.8, 17, 12  # of a character, and around the screen, in pixels
_SGR: Final = re.compile(r"\x1b\[([\d;]*)m")
_COLOURS: Final = (
    "#484f58",
    "#ff7b72",
    "#7ee787",
    "#e3b341",
    "#79c0ff",
    "#d2a8ff",
    "#76e3ea",
    "#fff",
)
_FONTS: Final = {  # bold, dim, and reverse, which is drawn as a colour of its own
    1: ' font-weight="bold"',
    2: ' fill-opacity="0.6"',
    7: ' fill="#79c0ff"',
}
_ENDS: Final = (0, 22, 39)
_STYLE: Final = """text{font:13px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;
fill:#e6edf3;white-space:pre}g{animation-timing-function:step-end;animation-iteration-count:infinite}"""


class Terminals:
    """Two shells in a tmux of their own, and the frames seen so far: (duration, lines)."""

    def __init__(self, directory: str) -> None:
        self.frames: list[tuple[float, list[str]]] = []
        self._tmux = ["tmux", "-f", "/dev/null", "-S", f"{directory}/tmux.sock"]
        path = f"{ROOT}/.venv/bin:{os.environ['PATH']}"
        shell = [
            "env",
            f"PATH={path}",
            f"HOME={directory}",
            "PS1=$ ",
            "bash",
            "--norc",
            "--noprofile",
        ]
        for name, rows in ROWS.items():
            size = ["-x", str(COLUMNS), "-y", str(rows)]
            self._run("new-session", "-d", "-s", name, *size, "-c", str(ROOT), *shell)
            self._run("set", "-t", name, "status", "off")
            self._run("resize-window", "-t", name, *size)
        self.expect("client", r"^\$")

    def type(self, name: str, text: str, then: str, hold_s: float) -> None:
        """Type a line and Enter, wait until the terminal shows `then`, and hold the picture."""
        for key in text:
            self._run("send-keys", "-t", name, "-l", key)
            self.see(_KEY_S)
        self._run("send-keys", "-t", name, "Enter")
        self.expect(name, then)
        self.see(hold_s)

    def see(self, duration_s: float) -> None:
        """Add a frame."""
        lines = [line for name, rows in ROWS.items() for line in self._screen(name, rows)]
        self.frames.append((duration_s, lines))

    def close(self) -> None:
        """End netd-chat and netd, then the terminals (their end alone would be a HUP: a reload)."""
        self._run("send-keys", "-t", "client", "C-d")  # netd-chat keeps its state as it ends
        self.expect("client", r"\$\Z")
        self._run("send-keys", "-t", "server", "C-c")
        self.expect("server", r"\$\Z")
        self._run("kill-server")

    def _screen(self, name: str, rows: int) -> list[str]:
        lines = self._run("capture-pane", "-p", "-e", "-t", name).split("\n")
        return (list(_self_contained(lines)) + [""] * rows)[:rows]

    def expect(self, name: str, text: str) -> None:
        """Wait until a terminal shows a text."""
        deadline = time.monotonic() + _PATIENCE_S
        while not re.search(
            text, self._run("capture-pane", "-p", "-t", name).rstrip(), re.MULTILINE
        ):
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"{text!r} did not appear:\n{self._run('capture-pane', '-p', '-t', name)}"
                )
            time.sleep(_LOOK_S)
        time.sleep(_LOOK_S)  # the rest of the output

    def _run(self, *arguments: str) -> str:
        done = subprocess.run([*self._tmux, *arguments], capture_output=True, check=True, text=True)
        return done.stdout


def _self_contained(lines: list[str]) -> Iterator[str]:
    """Yield each line with the SGR sequences that are in force where it begins."""
    before = ""
    for line in lines:
        yield before + line if line else line
        for sequence in _SGR.finditer(line):
            is_end = set(sequence[1].split(";")) & {"", "0"}
            before = sequence[0] if is_end else before + sequence[0]


def play(terminals: Terminals) -> None:
    """What the picture shows."""
    terminals.see(0.5)
    terminals.type("server", "netd run --config config/netd.toml", "is ready", 2)
    terminals.type("client", "echo hello | nc -N 127.0.0.1 7007", "^hello", 1.5)
    terminals.type("client", "curl http://127.0.0.1:8080/", "^netd is running", 1.5)
    terminals.type("client", "netd status --config config/netd.toml", r"WORKER(.*\n)+\$", 3)
    terminals.type("client", "clear", r"\A\$\Z", 0.3)
    terminals.type("client", "netd-chat --name bob --port 6667", "here: bob", 1.5)
    terminals.type("client", "hello, room", "hello, room", 1.5)
    say = [f"{ROOT}/.venv/bin/netd-chat", "--name", "ann", "--port", "6667", "--send", "hello bob"]
    subprocess.run(say, check=True)
    terminals.expect("client", "<ann> hello bob")
    terminals.see(4)


def draw(frames: list[tuple[float, list[str]]]) -> Iterator[str]:
    """The SVG: each line of text is shown from the frame where it appears to that where it goes."""
    ends = [0.0, *itertools.accumulate(duration for duration, _ in frames)]
    width, rows = COLUMNS * _WIDTH + 2 * _MARGIN, sum(ROWS.values())
    height = rows * _HEIGHT + 3 * _MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}">'
    yield f"<style>{_STYLE}</style>"
    yield f'<rect width="{width:.0f}" height="{height}" rx="6" fill="#0d1117"/>'
    border = _MARGIN * 1.5 + ROWS["server"] * _HEIGHT
    yield f'<path d="M0 {border}H{width:.0f}" stroke="#30363d"/>'
    count = itertools.count()
    for row in range(rows):
        top = _MARGIN * (1 if row < ROWS["server"] else 2) + (row + 0.8) * _HEIGHT
        shown = [lines[row].rstrip() for _, lines in frames]
        for text, group in itertools.groupby(range(len(frames)), shown.__getitem__):
            if text:
                span = list(group)
                yield _animate(next(count), ends[span[0]], ends[span[-1] + 1], ends[-1])
                yield f'<text y="{top:.1f}">{"".join(_spans(text))}</text></g>'
    yield "</svg>"


def _animate(number: int, start: float, end: float, total: float) -> str:
    """A group that is visible from `start` to `end`; the last picture is visible without CSS."""
    steps = {0.0: "hidden", 100 * start / total: "visible"}
    if end < total:
        steps[100 * end / total] = "hidden"
    keyframes = "".join(f"{at:.2f}%{{visibility:{value}}}" for at, value in steps.items())
    still = "visible" if end >= total else "hidden"
    return (
        f"<style>@keyframes k{number}{{{keyframes}100%{{visibility:{still}}}}}</style>"
        f'<g visibility="{still}" style="animation-name:k{number};animation-duration:{total:.1f}s">'
    )


def _spans(line: str) -> Iterator[str]:
    """The pieces of a line between SGR sequences, each at its column and in its colour."""
    column, style = 0, ""
    for number, piece in enumerate(_SGR.split(line)):
        if number % 2:
            style = _style(piece, style)
        elif piece:
            left, length = _MARGIN + column * _WIDTH, len(piece) * _WIDTH
            place = f'x="{left:.1f}" textLength="{length:.1f}"'
            yield f"<tspan {place}{style}>{html.escape(piece)}</tspan>"
            column += len(piece)


def _style(codes: str, style: str) -> str:
    for code in (int(code or 0) for code in codes.split(";")):
        if code in _ENDS:
            style = ""
        elif code in _FONTS:
            style += _FONTS[code]
        elif code // 10 in (3, 9) and code % 10 < len(_COLOURS):
            style += f' fill="{_COLOURS[code % 10]}"'
    return style


def main() -> None:
    """Record and write the file."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:  # shells end in it
        terminals = Terminals(directory)
        try:
            play(terminals)
        finally:
            terminals.close()
    Path(sys.argv[1]).write_text("\n".join(draw(terminals.frames)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

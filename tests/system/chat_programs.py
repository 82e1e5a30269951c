"""irssi, weechat and netd-chat in the chat of a container: each shows all lines of others once."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from tests.client.tmux import Tmux
from tests.support import wait_until
from tests.system.container import Container

_CHANNEL: Final = "#lounge"
_IRSSI: Final = """servers = (
  {{ address = "127.0.0.1"; chatnet = "net"; port = "{port}"; autoconnect = "yes"; }}
);
chatnets = {{ net = {{ type = "IRC"; nick = "irssi"; }}; }};
channels = ( {{ name = "#lounge"; chatnet = "net"; autojoin = "yes"; }} );
settings = {{
  "irc/core" = {{ cmds_max_at_once = "50"; }};
  "fe-common/core" = {{ autolog = "yes"; autolog_path = "{log}"; }};
}};
"""
_NAMES: Final = ("irssi", "weechat", "netd-chat")
_BEGIN: Final = "the beginning"
_END: Final = "the end"
_NUMBERED: Final = re.compile(r"\bline (\w+) (\d+) \d+\s*$")
_CHANGE: Final = re.compile(
    r"\b(quit|joined|left|disconnected|connecting|reconnect\w*|connection lost|mode)\b",
    re.IGNORECASE,
)


class ChatPrograms:
    """The programs, in a directory of their own: irssi and weechat over TCP, netd-chat over Unix.

    irssi and weechat are those of this machine, and run in the container's network; netd-chat is
    the installed one, in the container.
    """

    def __init__(self, container: Container, directory: Path, *, port: int, path: str) -> None:
        """Start them, and wait until they are in the channel."""
        self._directory = directory
        self._tmux = Tmux(directory)
        irssi = directory / "irssi"
        irssi.mkdir()
        (irssi / "config").write_text(_IRSSI.format(port=port, log=directory / "irssi.log"))
        self._tmux.start("irssi", *container.in_network("irssi", f"--home={irssi}"))
        command = f"exec netd-chat --plain unix://{path} --name netd-chat"
        self._tmux.start("netd-chat", *container.command(command))
        self._weechat = subprocess.Popen(
            container.in_network(
                *("weechat-headless", "--dir", str(directory / "weechat")),
                *("-r", "/set logger.file.flush_delay 0"),
                *("-r", f"/server add net 127.0.0.1/{port} -nicks=weechat -autojoin={_CHANNEL}"),
                # Lines leave at once; the first option is that of version 4, the other that of 3.
                *("-r", "/set irc.server.net.anti_flood 0"),
                *("-r", "/set irc.server.net.anti_flood_prio_high 0"),
                *("-r", "/connect net"),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for name in _NAMES:
            wait_until(partial(self._is_joined, name), f"{name} to join")
        self._tmux.type("irssi", f"/window goto {_CHANNEL}")

    def say(self, text: str) -> None:
        """Send a line from each program."""
        self._tmux.type("irssi", f"{text} from irssi")
        self._tmux.type("netd-chat", f"{text} from netd-chat")
        fifo = self._directory / "weechat" / f"weechat_fifo_{self._weechat.pid}"
        with fifo.open("w") as commands:
            commands.write(f"irc.net.{_CHANNEL} *{text} from weechat\n")

    def begin(self) -> None:
        """From here on, the programs may show nothing but lines."""
        self._say_and_wait(_BEGIN)

    def end(self) -> None:
        """From here on, they may show anything."""
        self._say_and_wait(_END)

    def faults(self, said: Sequence[str]) -> list[str]:
        """What the programs have shown too much or too little between `begin` and `end`.

        `said` are the texts of `say`.
        """
        return [fault for name in _NAMES for fault in self._faults_of(name, said)]

    def _faults_of(self, name: str, said: Sequence[str]) -> Iterator[str]:
        shown = self._shown(name)
        yield from (f"{name}: {line}" for line in shown if _CHANGE.search(line))
        yield from (f"{name}: {text}" for text in _check_numbers(shown))
        for text in (f"{text} from {source}" for text in said for source in _NAMES):
            if (found := sum(line.rstrip().endswith(text) for line in shown)) != 1:
                yield f"{name}: {found} times {text!r}"

    def close(self) -> None:
        """End the programs."""
        self._weechat.kill()
        self._weechat.wait()
        self._tmux.close()

    def _say_and_wait(self, text: str) -> None:
        self.say(text)
        for name in _NAMES:
            wait_until(partial(self._has, name, text), f"{text} in {name}")

    def _has(self, name: str, text: str) -> bool:
        log = self._log(name)
        return all(f"{text} from {source}\n" in log for source in _NAMES)

    def _is_joined(self, name: str) -> bool:
        marks: dict[str, Callable[[str], bool]] = {
            "irssi": lambda log: "#lounge" in log and "irssi" in log,
            "weechat": lambda log: "has joined" in log,
            "netd-chat": lambda log: "here:" in log,
        }
        return marks[name](self._log(name))

    def _shown(self, name: str) -> list[str]:
        """The lines from the beginning to the end."""
        lines = self._log(name).splitlines()
        marks = [
            [number for number, line in enumerate(lines) if f"{text} from " in line]
            for text in (_BEGIN, _END)
        ]
        return lines[marks[0][-1] + 1 : marks[1][-1]]

    def _log(self, name: str) -> str:
        if name == "netd-chat":
            screen = self._tmux.screen(name)
            return "".join(f"{line.rstrip()}\n" for line in screen.splitlines())
        logs = {"irssi": "irssi.log", "weechat": f"weechat/logs/irc.net.{_CHANNEL}.weechatlog"}
        path = self._directory / logs[name]
        return path.read_text(errors="replace") if path.exists() else ""


def _check_numbers(lines: list[str]) -> Iterator[str]:
    """Where a line of a member is missing or there twice."""
    last: dict[str, int] = {}
    for line in lines:
        if found := _NUMBERED.search(line):
            nick, number = found[1], int(found[2])
            if number != last.get(nick, number - 1) + 1:
                yield f"line {number} of {nick} after {last[nick]}"
            last[nick] = number
    if not last:
        yield "no line at all"

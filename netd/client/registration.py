"""From a fresh connection to the server's welcome: capabilities, password, a free nick; pure.

CAP negotiation as IRCv3 has it (version 302); a server that knows nothing of it is none the
worse. A password is offered as PASS, and by SASL PLAIN where the server has accounts; with a
certificate under TLS, SASL EXTERNAL takes its place.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

from netd.client.event import Effect, Refused, Registered, Told, send
from netd.protocols.irc import Message

WANTED: Final = frozenset(
    {"batch", "draft/chathistory", "echo-message", "message-tags", "multi-prefix", "server-time"}
)
MAX_NICK_TRIES: Final = 9
_SASL_PIECE_BYTES: Final = 400
SASL_FAILURES: Final = frozenset({"902", "904", "905", "906", "907"})
_REFUSALS: Final = frozenset({"432", "433", "436", "437", "464", "465", "ERROR"})


class Registration:
    """One attempt to be let in; `nick` is the one under way, `caps` what was agreed."""

    def __init__(
        self,
        name: str,
        password: str,
        *,
        has_certificate: bool = False,
        may_rename: bool,
        again: bool = False,
    ) -> None:
        self.nick = name
        self.caps: set[str] = set()
        self._name, self._password = name, password
        self._mechanism = "EXTERNAL" if has_certificate else "PLAIN" if password else ""
        self._may_rename, self._again = may_rename, again
        self._tries = 1
        self._offered: set[str] = set()
        self._steps: dict[str, Callable[[Message], list[Effect]]] = {
            "001": self._welcome,
            "CAP": self._cap,
            "AUTHENTICATE": self._authenticate,
            "433": self._nick_in_use,
            "436": self._nick_in_use,
            "437": self._nick_in_use,
            **dict.fromkeys({"900", "903", *SASL_FAILURES}, self._sasl_over),
        }

    def greet(self) -> list[Effect]:
        """What to say first."""
        password = [send("PASS", self._password)] if self._password else []
        user = "".join(each for each in self._name if each.isascii() and each.isalnum())
        return [
            send("CAP", "LS", "302"),
            *password,
            send("NICK", self.nick),
            send("USER", user or "user", "0", "*", self._name),
        ]

    def receive(self, message: Message) -> list[Effect]:
        """What a line of the server's calls for, as long as we are not welcome."""
        step = self._steps.get(message.command)
        if step is not None:
            return step(message)
        if message.command in _REFUSALS:
            return [Refused(_words(message), message.command)]
        return []

    def _welcome(self, message: Message) -> list[Effect]:
        self.nick = message.params[0] if message.params else self.nick
        return [Registered(self.nick, self._again)]

    def _cap(self, message: Message) -> list[Effect]:
        if len(message.params) < 3:  # noqa: PLR2004 (target, verb, names)
            return []
        _, verb, *more, listed = message.params
        names = {word.partition("=")[0] for word in listed.split()}
        match verb:
            case "LS":
                self._offered |= names
                return [] if more else self._request()
            case "ACK":
                self.caps |= names
                if "sasl" in names:
                    return [send("AUTHENTICATE", self._mechanism)]
        return [send("CAP", "END")]

    def _request(self) -> list[Effect]:
        wanted = self._offered & (WANTED | ({"sasl"} if self._mechanism else set()))
        return [send("CAP", "REQ", " ".join(sorted(wanted))) if wanted else send("CAP", "END")]

    def _authenticate(self, _message: Message) -> list[Effect]:
        if self._mechanism == "EXTERNAL":
            return [send("AUTHENTICATE", "+")]
        plain = f"{self._name}\0{self._name}\0{self._password}".encode()
        encoded = base64.b64encode(plain).decode()
        starts = range(0, len(encoded) + 1, _SASL_PIECE_BYTES)  # a full last piece has a + after it
        return [
            send("AUTHENTICATE", encoded[start : start + _SASL_PIECE_BYTES] or "+")
            for start in starts
        ]

    def _sasl_over(self, message: Message) -> list[Effect]:
        if message.command == "900":
            return [Told(_words(message))]
        is_in = message.command == "903"
        refused = [] if is_in else [Refused(_words(message), message.command)]
        return [*refused, send("CAP", "END")]

    def _nick_in_use(self, message: Message) -> list[Effect]:
        taken = self.nick
        if not self._may_rename or self._tries >= MAX_NICK_TRIES:
            return [Refused(f"{taken}: {_words(message)}", message.command, taken)]
        self._tries += 1
        self.nick = f"{self._name}_" if self._tries == 2 else f"{self._name}{self._tries - 1}"  # noqa: PLR2004 (the second try)
        return [Told(f"{taken} is taken, trying {self.nick}"), send("NICK", self.nick)]


def _words(message: Message) -> str:
    return message.params[-1] if message.params else message.command

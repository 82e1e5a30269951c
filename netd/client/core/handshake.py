"""Connection registration: capabilities, password and nick, until the server's welcome.

CAP negotiation follows IRCv3 (version 302); a server without it ignores CAP. The password goes
as PASS, and by SASL PLAIN if the server offers SASL. With a TLS client certificate SASL EXTERNAL
replaces PLAIN. If the user demands SCRAM, the password is not sent at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from netd.client.core import sasl
from netd.client.core.chat_events import (
    Effect,
    Notice,
    Refused,
    Registered,
    ServerNotice,
    send,
)
from netd.client.core.client_state import Login
from netd.errors import RemoteProtocolError
from netd.protocols.irc import Message

_RESUME: Final = "netd.dev/resume"
WANTED: Final = frozenset(
    {"batch", "draft/chathistory", "echo-message", "message-tags", "multi-prefix", "server-time"}
    | {
        "away-notify",
        "chghost",
        "draft/event-playback",
        "draft/message-redaction",
        "draft/multiline",
        "draft/read-marker",
    }
    | {"draft/search", "labeled-response", "soju.im/search", _RESUME}
)
_KNOWN: Final = WANTED | {"sasl"}
MAX_NICK_TRIES: Final = 9
_MAX_CAPABILITIES: Final = 200  # in one line
SASL_FAILURES: Final = frozenset({"902", "904", "905", "906", "907"})
_SASL_FAIL: Final = "904"
_REFUSALS: Final = frozenset({"432", "433", "436", "437", "464", "465", "ERROR"})


class Handshake:
    """One registration; `nick` is the nick being tried, `capabilities` those agreed on."""

    def __init__(  # noqa: PLR0913 (the facts of a registration)
        self,
        name: str,
        mechanisms: Sequence[sasl.Mechanism],
        *,
        server_password: str = "",
        may_rename: bool,
        again: bool = False,
        resume_token: str = "",
    ) -> None:
        """`mechanisms` are ways to log in, to try one after the other.

        `server_password` is sent as PASS, which some servers read as an account's.
        `resume_token` is that of the connection that was lost.
        """
        self.nick = name
        self.resume_token = ""
        """With which the next connection can take the place of this one, if the server keeps it."""
        self.is_resumed = False
        """Whether the server has kept the place of the connection that was lost."""
        self._lost_token = resume_token
        self.capabilities: set[str] = set()
        self.capability_values: dict[str, str] = {}
        self.is_logged_in = False
        self.login: Login | None = None
        """The login that the server has accepted."""
        self._mechanisms = iter(mechanisms)
        self._mechanism = next(self._mechanisms, None)
        self._challenge = ""
        self._name, self._server_password = name, server_password
        self.was_taken = False
        """Whether another client has the name."""
        self._may_rename, self._again = may_rename, again
        self._tries = 1
        self._offered: set[str] = set()
        self._handlers: dict[str, Callable[[Message], list[Effect]]] = {
            "001": self._welcome,
            "CAP": self._cap,
            "AUTHENTICATE": self._authenticate,
            "RESUME": self._resume,
            "433": self._nick_in_use,
            "436": self._nick_in_use,
            "437": self._nick_in_use,
            "900": self._logged_in,
            "903": self._sasl_succeeded,
            **dict.fromkeys(SASL_FAILURES, self._sasl_failed),
        }

    def start(self) -> list[Effect]:
        """Return the first lines of the connection."""
        password = [send("PASS", self._server_password)] if self._server_password else []
        user = "".join(char for char in self._name if char.isascii() and char.isalnum())
        return [
            send("CAP", "LS", "302"),
            *password,
            send("NICK", self.nick),
            send("USER", user or "user", "0", "*", self._name),
        ]

    def receive(self, message: Message) -> list[Effect]:
        """Process a line of the server before its welcome."""
        handler = self._handlers.get(message.command)
        if handler is not None:
            return handler(message)
        if message.command in _REFUSALS:
            return [Refused(_text(message), message.command)]
        return []

    def _welcome(self, message: Message) -> list[Effect]:
        self.nick = message.params[0] if message.params else self.nick
        return [Registered(self.nick, self._again, self.is_resumed)]

    def _cap(self, message: Message) -> list[Effect]:
        if len(message.params) < 3:  # noqa: PLR2004 (target, subcommand, names)
            return []
        _, subcommand, *more, names = message.params
        values = dict(word.partition("=")[::2] for word in names.split()[:_MAX_CAPABILITIES])
        capabilities = values.keys() & _KNOWN
        match subcommand:
            case "LS":
                self._offered |= capabilities
                self.capability_values |= {name: values[name] for name in capabilities}
                return [] if more else self._request()  # a "*" announces another line
            case "ACK":
                self.capabilities |= capabilities
                return [*self._ask_for_place(), self._next_step(capabilities)]
        return [send("CAP", "END")]

    def _next_step(self, capabilities: set[str]) -> Effect:
        if "sasl" in capabilities and self._mechanism is not None:
            return send("AUTHENTICATE", self._mechanism.name)
        return send("CAP", "END")

    def _ask_for_place(self) -> list[Effect]:
        token, self._lost_token = self._lost_token, ""
        return [send("RESUME", token)] if token and _RESUME in self.capabilities else []

    def _resume(self, message: Message) -> list[Effect]:
        match message.params:
            case ["TOKEN", token]:
                self.resume_token = token
            case ["SUCCESS", *_]:
                self.is_resumed = True
        return []

    def _request(self) -> list[Effect]:
        if (missing := self._missing_mechanism()) is not None:
            return [Refused(f"the server does not offer {missing}")]
        wanted = self._offered if self._mechanism is not None else self._offered - {"sasl"}
        return [send("CAP", "REQ", " ".join(sorted(wanted))) if wanted else send("CAP", "END")]

    def _missing_mechanism(self) -> str | None:
        """Return the name of the mechanism that the user demands, if the server has not got it."""
        mechanism = self._mechanism
        if mechanism is None or not mechanism.is_demanded:
            return None
        names = self.capability_values.get("sasl", "")  # empty: the server does not name them
        is_offered = not names or mechanism.name in names.split(",")
        return None if is_offered and "sasl" in self._offered else mechanism.name

    def _authenticate(self, message: Message) -> list[Effect]:
        piece = message.params[0] if message.params else ""
        self._challenge += "" if piece == "+" else piece
        is_whole = len(piece) < sasl.PIECE_CHARS or len(self._challenge) > sasl.MAX_CHARS
        if self._mechanism is None or not is_whole:
            return []
        challenge, self._challenge = self._challenge, ""
        try:
            reply = self._mechanism.reply(sasl.decode(challenge))
        except RemoteProtocolError as error:
            return [send("AUTHENTICATE", "*"), Refused(str(error))]
        return [send("AUTHENTICATE", part) for part in sasl.pieces(reply)]

    def _logged_in(self, message: Message) -> list[Effect]:
        self.is_logged_in = True
        return [ServerNotice(_text(message))]

    def _sasl_succeeded(self, _message: Message) -> list[Effect]:
        if self._mechanism is not None:
            if not self._mechanism.is_complete:
                return [Refused("the server has not proved that it knows the password")]
            self.login = self._mechanism.login
        return [send("CAP", "END")]

    def _sasl_failed(self, message: Message) -> list[Effect]:
        if message.command == _SASL_FAIL:
            self._mechanism = next(self._mechanisms, None)
            if self._mechanism is not None:
                return [send("AUTHENTICATE", self._mechanism.name)]
        return [Refused(_text(message), message.command), send("CAP", "END")]

    def _nick_in_use(self, message: Message) -> list[Effect]:
        taken = self.nick
        if not self._may_rename or self._tries >= MAX_NICK_TRIES:
            return [Refused(f"{taken}: {_text(message)}", message.command, taken)]
        self.was_taken = True
        suffix = "_" if self._tries == 1 else str(self._tries)
        self._tries += 1
        self.nick = f"{self._name}{suffix}"
        return [Notice(f"{taken} is taken, trying {self.nick}"), send("NICK", self.nick)]


def _text(message: Message) -> str:
    return message.params[-1] if message.params else message.command

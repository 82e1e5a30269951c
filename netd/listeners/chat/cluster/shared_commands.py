"""Which commands all hosts of a room handle, by the log, and which ones one host handles alone."""

from __future__ import annotations

from typing import Final

SHARED: Final = frozenset(
    (
        *("PRIVMSG", "NOTICE", "TAGMSG", "BATCH", "WALLOPS"),
        *("JOIN", "PART", "KICK", "INVITE", "TOPIC", "MODE", "ACCEPT"),
        *("NICK", "AWAY", "SETNAME", "MARKREAD", "REDACT", "QUIT"),
        *("REGAIN", "GHOST", "KILL", "KLINE", "UNKLINE"),
    )
)
"""They change what other members see."""

LOCAL: Final = frozenset(
    (
        *("PASS", "USER", "CAP", "AUTHENTICATE", "RESUME", "PING", "PONG", "OPER", "REHASH"),
        *("NAMES", "LIST", "WHO", "WHOIS", "WHOWAS", "USERHOST", "ISON", "MONITOR", "CHATHISTORY"),
        *(
            "SEARCH",
            "MOTD",
            "LUSERS",
            "VERSION",
            "TIME",
            "ADMIN",
            "ISUPPORT",
            "INFO",
            "LINKS",
            "STATS",
        ),
        *("HELP", "HELPOP", "REGISTER", "VERIFY", "NICKSERV", "NS"),
    )
)
"""They concern one connection, have a secret that must not be in the log, or only read."""


READING: Final = frozenset(
    (
        *("NAMES", "LIST", "WHO", "WHOIS", "WHOWAS", "USERHOST", "ISON", "MONITOR"),
        *("CHATHISTORY", "SEARCH", "LUSERS", "STATS"),
    )
)
"""The local commands that read what the hosts share."""


SHARED_OF_SERVICE: Final = frozenset(
    (
        *("GHOST", "REGAIN", "RECOVER", "RELEASE", "SET ALWAYS-ON", "SET MULTICLIENT", "CERT"),
        *("SUSPEND", "UNSUSPEND", "SADROP", "ERASE"),
    )
)
"""The messages to NickServ that change what the hosts share, and have no password."""

_SERVICE: Final = ("NICKSERV", "NS")


def command_of(line: bytes) -> str:
    """The command of a line, after its tags and its source.

    A message to NickServ can have a password: it is not shared, as the command NICKSERV is not,
    except those that change an account and have none.
    """
    if line.startswith(b"@"):
        line = line.partition(b" ")[2].lstrip(b" ")
    if line.startswith(b":"):
        line = line.partition(b" ")[2].lstrip(b" ")
    command, _, rest = line.partition(b" ")
    name = command.upper().decode("latin-1")
    target, _, text = rest.lstrip(b" ").partition(b" ")
    if target.lower() == b"nickserv":
        return _of_service(text)
    return _of_service(rest) if name in _SERVICE else name


def _of_service(text: bytes) -> str:
    words = text.decode("latin-1").lstrip(" :").upper().split()
    is_shared = " ".join(words[:1]) in SHARED_OF_SERVICE or " ".join(words[:2]) in SHARED_OF_SERVICE
    return "PRIVMSG" if is_shared else "NICKSERV"

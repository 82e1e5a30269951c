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


def command_of(line: bytes) -> str:
    """The command of a line, after its tags and its source.

    A message to NickServ can have a password: it is not shared, as the command NICKSERV is not.
    """
    if line.startswith(b"@"):
        line = line.partition(b" ")[2].lstrip(b" ")
    if line.startswith(b":"):
        line = line.partition(b" ")[2].lstrip(b" ")
    command, _, rest = line.partition(b" ")
    if rest.lstrip(b" ").partition(b" ")[0].lower() == b"nickserv":
        return "NICKSERV"
    return command.upper().decode("latin-1")

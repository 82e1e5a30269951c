"""The tokens of RPL_ISUPPORT (005), made from the tables and limits in force."""

from __future__ import annotations

from netd.listeners.chat.room.mode import ModeKind, letters
from netd.listeners.chat.room.settings import RoomSettings

MAX_MODES = 20
MAX_HISTORY_REPLIES = 100
_TOKENS_PER_LINE = 12


def isupport_lines(settings: RoomSettings) -> list[list[str]]:
    """The tokens, divided among lines."""
    tokens = _tokens(settings)
    return [tokens[i : i + _TOKENS_PER_LINE] for i in range(0, len(tokens), _TOKENS_PER_LINE)]


def _tokens(settings: RoomSettings) -> list[str]:
    limits = settings.limits
    kinds = (ModeKind.LIST, ModeKind.KEY, ModeKind.LIMIT, ModeKind.FLAG)
    tokens = [
        "ACCOUNTEXTBAN=a",
        f"AWAYLEN={limits.away_chars}",
        "BOT=B",
        "CASEMAPPING=ascii",
        f"CHANLIMIT=#:{limits.channels_per_member}",
        f"CHANMODES={','.join(letters(kind) for kind in kinds)}",
        f"CHANNELLEN={limits.channel_chars}",
        "CHANTYPES=#",
        "ELIST=CMNTU",
        "EXCEPTS=e",
        "EXTBAN=,am",
        "INVEX=I",
        f"KEYLEN={limits.key_chars}",
        f"KICKLEN={limits.kick_chars}",
        f"MAXLIST={letters(ModeKind.LIST)}:{limits.list_entries}",
        f"MAXTARGETS={limits.targets}",
        f"MODES={MAX_MODES}",
        f"MONITOR={limits.monitored}",
        f"NAMELEN={limits.realname_chars}",
        f"NETWORK={settings.network.replace(' ', '-')}",
        f"NICKLEN={limits.nick_chars}",
        "PREFIX=(ov)@+",
        "SAFELIST",
        "STATUSMSG=@+",
        f"TARGMAX={_target_limits(limits.targets)}",
        f"TOPICLEN={limits.topic_chars}",
        f"USERLEN={limits.user_chars}",
        "UTF8ONLY",
        "WHOX",
    ]
    if limits.history_lines:
        tokens += [f"CHATHISTORY={MAX_HISTORY_REPLIES}", "MSGREFTYPES=msgid,timestamp"]
    return tokens


def _target_limits(message_targets: int) -> str:
    unlimited = ("JOIN", "KICK", "LIST", "NAMES", "PART")
    words = [f"{command}:" for command in unlimited]
    words += [f"{command}:{message_targets}" for command in ("NOTICE", "PRIVMSG", "TAGMSG")]
    return ",".join([*words, "WHOIS:1"])

"""The handlers of the server's numeric replies after registration (RFC 2812 5).

Most replies are shown in the server's words. A number from 400 to 599 and a few later ones are
errors: of an unconfirmed message if one matches, else of another request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netd.client.core import nick_regain
from netd.client.core.chat_events import Effect, Notice, Refused, ServerNotice, send
from netd.client.core.client_state import MAX_CHANNELS, ClientState, Login, is_channel
from netd.client.core.mode_changes import prefixes
from netd.client.core.roster import JoinedChannel
from netd.protocols.irc import Message

_ERRORS: Final = frozenset({*range(400, 600), 696, 734, 902, 904, 905, 906, 907})
_HIDDEN: Final = frozenset(  # greetings, statistics, and ends of lists
    {"002", "003", "004", "250", "251", "252", "253", "254", "255", "265", "266"}
    | {"219", "321", "323", "329", "333", "347", "349", "368", "369", "375", "730"}
)
_ALL_PREFIXES: Final = "~&@%+!"
MAX_LISTED: Final = 20  # members that are named when the client joins; more are counted
_NAMES_IN_LINE: Final = 100
_MAX_NAMES: Final = 2000
_MAX_WHO: Final = 200  # members of a channel for which WHO is sent
_OF_SERVER: Final = frozenset({"001", "042", "221", "255", "396", "900", "901"})
_NICK_IN_USE: Final = "433"
_NEXT_LOGIN: Final = "to log in at the next start, set password_file in chat.toml"
_NOW_AWAY: Final = "306"
_UNKNOWN_COMMAND: Final = "421"
_CHANNEL_ERRORS: Final = frozenset(  # of TOPIC, MODE, INVITE or KICK, never of a message
    {"467", "472", "478", "482"}
)
_NOT_OF_JOIN: Final = _CHANNEL_ERRORS | {"401", "404", "441", "442", "696"}


def receive(state: ClientState, message: Message) -> list[Effect]:
    """Process one reply."""
    if message.command in _HIDDEN or not message.command.isdecimal():
        return []
    handler = _HANDLERS.get(message.command)
    if handler is not None:
        return handler(state, message)
    if int(message.command) in _ERRORS:
        return _error(state, message)
    return [_notice(message, " ".join(message.params[1:]))]


def _notice(message: Message, text: str) -> Notice:
    return ServerNotice(text) if message.command in _OF_SERVER else Notice(text)


def _error(state: ClientState, message: Message) -> list[Effect]:
    _, *context, text = ("", *message.params) if len(message.params) < 2 else message.params  # noqa: PLR2004 (the nick and the text)
    target = context[0] if context else ""
    if message.command == _NICK_IN_USE and nick_regain.on_taken(state, target):
        return []
    if message.command == _UNKNOWN_COMMAND:
        if target == nick_regain.REGAIN:
            return []  # the server has no accounts of this kind; the nick is still watched
        return [Refused(f"{target}: {text}; /help lists the commands", message.command, target)]
    if message.command not in _CHANNEL_ERRORS:
        undelivered = state.outbox.on_labeled_refusal(message.tags.get("label", ""), text)
        if undelivered := undelivered or state.outbox.on_refusal(target, text):
            return undelivered
    refused = Refused(f"{target}: {text}" if target else text, message.command, target)
    if message.command in _NOT_OF_JOIN:
        return [refused]
    return [refused, *on_join_refused(state, target, text)]


def on_join_refused(state: ClientState, channel: str, why: str) -> list[Effect]:
    """Give up a channel, and what was said for it, if the client is not in it."""
    if not is_channel(channel) or channel in state.roster:
        return []
    state.autojoin.pop(state.fold(channel), None)
    if state.is_current(channel):
        state.current = state.roster.first_name() or state.current
    return state.outbox.drop(channel, why)


def _topic(state: ClientState, message: Message) -> list[Effect]:
    _, channel, topic = message.params
    if (conversation := state.conversations.get(channel)) is not None:
        conversation.topic = topic
    if state.is_resuming:
        return []
    return [Notice(f"the topic is: {topic}", channel)]


def _names(state: ClientState, message: Message) -> list[Effect]:
    channel, names = message.params[-2], message.params[-1].split()
    joined = state.roster.get(channel)
    if joined is None:
        return [Notice(f"here: {', '.join(names)}", channel)]
    for name in names:
        nick = name.lstrip(_ALL_PREFIXES)
        joined.add(nick.partition("!")[0], name[: len(name) - len(nick)])
    return []


def _end_of_names(state: ClientState, message: Message) -> list[Effect]:
    joined = state.roster.get(message.params[1])
    if joined is None or state.is_resuming:
        return []
    if joined.names_are_wanted:
        joined.names_are_wanted = False
        return _all_names(state, joined)
    return [_summary(state, joined), *_request_away(state, joined)]


def _summary(state: ClientState, joined: JoinedChannel) -> Notice:
    if len(joined) > MAX_LISTED:
        text = f"{len(joined)} here{_operators(state, joined)}; /names lists them"
        return Notice(text, joined.name)
    members = joined.members_by_last_message()
    return Notice(f"{len(members)} here: {', '.join(members)}", joined.name)


def _request_away(state: ClientState, joined: JoinedChannel) -> list[Effect]:
    """Request which members are away; the server reports changes (away-notify)."""
    is_reported = state.wants_away and "away-notify" in state.capabilities
    if not is_reported or len(joined) > _MAX_WHO or len(state.who_requested) >= MAX_CHANNELS:
        return []
    state.who_requested.add(state.fold(joined.name))
    return [send("WHO", joined.name)]


def _who_entry(state: ClientState, message: Message) -> list[Effect]:
    """Process an entry of WHO; one that the user has requested is shown."""
    _, channel, user, host, _, nick, flags, name = message.params
    if state.fold(channel) not in state.who_requested:
        return [Notice(f"{nick} is {user}@{host} {flags}: {name.partition(' ')[2]}")]
    if (joined := state.roster.get(channel)) is not None:
        joined.set_away(nick, is_away=flags.startswith("G"))
    return []


def _end_of_who(state: ClientState, message: Message) -> list[Effect]:
    state.who_requested.discard(state.fold(message.params[1]))
    return []


def _operators(state: ClientState, joined: JoinedChannel) -> str:
    ranked = joined.members_by_rank("".join(prefixes(state.isupport).values()))
    count = sum(name[0] in "~&@" for name in ranked)
    return f", {count} operator{'' if count == 1 else 's'}" if count else ""


def _all_names(state: ClientState, joined: JoinedChannel) -> list[Effect]:
    names = joined.members_by_rank("".join(prefixes(state.isupport).values()))
    shown = names[:_MAX_NAMES]
    rows = [shown[at : at + _NAMES_IN_LINE] for at in range(0, len(shown), _NAMES_IN_LINE)]
    if len(names) > len(shown):
        rows.append([f"and {len(names) - len(shown)} more"])
    texts = [f"{len(names)} here: {', '.join(rows[0])}", *(", ".join(row) for row in rows[1:])]
    return [Notice(text, joined.name) for text in texts]


def _away(state: ClientState, message: Message) -> list[Effect]:
    """Show that a user is away: once in a conversation, but in each WHOIS."""
    _, nick, text = message.params
    conversation = state.conversations.get(nick)
    if conversation is not None and state.whois_of != state.fold(nick):
        was_shown, conversation.away = conversation.away == text, text
        if was_shown:
            return []
    return [Notice(f"{nick} is away: {text}")]


def _whois_user(state: ClientState, message: Message) -> list[Effect]:
    _, nick, user, host, _, name = message.params
    state.whois_of = state.fold(nick)
    return [Notice(f"{nick} is {user}@{host}: {name}")]


def _whowas(_state: ClientState, message: Message) -> list[Effect]:
    _, nick, user, host, _, name = message.params
    return [Notice(f"{nick} was {user}@{host}: {name}")]


def _whois_server(_state: ClientState, message: Message) -> list[Effect]:
    _, nick, server, description = message.params
    return [Notice(f"{nick} is on {server} ({description})")]


def _whois_idle(_state: ClientState, message: Message) -> list[Effect]:
    nick, seconds = message.params[1], int(message.params[2])
    hours, minutes = divmod(seconds // 60, 60)
    return [Notice(f"{nick} was last active {hours} h {minutes} min {seconds % 60} s ago")]


def _whois_channels(_state: ClientState, message: Message) -> list[Effect]:
    _, nick, channels = message.params
    return [Notice(f"{nick} is in {channels.rstrip()}")]


def _whois_value(_state: ClientState, message: Message) -> list[Effect]:
    """Show "<nick> <value> ... :<description>" as "nick description value ..."."""
    _, nick, *values, description = message.params
    return [Notice(f"{nick} {description} {' '.join(values)}")]


def _end_of_whois(state: ClientState, _message: Message) -> list[Effect]:
    state.whois_of = ""
    return []


def last_parameter(_state: ClientState, message: Message) -> list[Effect]:
    """Show a message that is for people."""
    return [Notice(message.params[-1])]


def _own_away(state: ClientState, message: Message) -> list[Effect]:
    state.is_away = message.command == _NOW_AWAY
    return [] if state.is_resuming else last_parameter(state, message)


def _motd(state: ClientState, message: Message) -> list[Effect]:
    text = message.params[-1].removeprefix("- ")
    return [] if state.has_seen_motd else [ServerNotice(text)]


def _end_of_motd(state: ClientState, _message: Message) -> list[Effect]:
    state.has_seen_motd = True
    return nick_regain.on_ready(state)


def _logged_in(state: ClientState, message: Message) -> list[Effect]:
    account = message.params[2]
    state.is_logged_in = True
    shown: list[Effect] = [ServerNotice(message.params[-1])]
    if state.offered_password:
        state.login = Login(account, state.offered_password)
        state.offered_password = ""
        shown += [] if state.identity.password else [Notice(_NEXT_LOGIN)]
    is_own = state.fold(account) == state.fold(state.wanted_nick)
    return [*shown, *(nick_regain.on_ready(state) if is_own else [])]


def _list_entry(_state: ClientState, message: Message) -> list[Effect]:
    """Show an entry of a channel's list, such as a ban: "<channel> <mask> [<by> <time>]"."""
    _, channel, mask, *by = message.params
    setter = f" (set by {by[0]})" if by else ""
    return [Notice(f"{_LISTS[message.command]} {mask}{setter}", channel)]


def _channel_entry(_state: ClientState, message: Message) -> list[Effect]:
    """Show an entry of LIST: "<channel> <members> :<topic>"."""
    _, channel, members, topic = message.params
    return [Notice(f"{channel} ({members}) {topic}".rstrip())]


def _channel_modes(_state: ClientState, message: Message) -> list[Effect]:
    _, channel, *modes = message.params
    return [Notice(f"the modes are {' '.join(modes)}", channel)]


def _invited(_state: ClientState, message: Message) -> list[Effect]:
    _, nick, channel = message.params
    return [Notice(f"{nick} is invited", channel)]


def _isupport(state: ClientState, message: Message) -> list[Effect]:
    state.apply_isupport(message.params[1:-1])
    return []


_LISTS: Final = {"346": "invitation exception", "348": "ban exception", "367": "ban"}
_HANDLERS: Final[dict[str, Callable[[ClientState, Message], list[Effect]]]] = {
    "005": _isupport,
    "301": _away,
    "305": _own_away,
    "306": _own_away,
    "311": _whois_user,
    "312": _whois_server,
    "317": _whois_idle,
    "318": _end_of_whois,
    "319": _whois_channels,
    "322": _channel_entry,
    "324": _channel_modes,
    "330": _whois_value,
    "332": _topic,
    "338": _whois_value,
    "341": _invited,
    "346": _list_entry,
    "348": _list_entry,
    "367": _list_entry,
    "314": _whowas,
    "315": _end_of_who,
    "352": _who_entry,
    "353": _names,
    "366": _end_of_names,
    "372": _motd,
    "376": _end_of_motd,
    "422": _end_of_motd,
    "731": nick_regain.on_offline,
    "900": _logged_in,
}

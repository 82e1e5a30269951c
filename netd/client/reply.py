"""What the server's numeric replies mean once we are welcome (RFC 2812 5); pure.

Most are shown in the server's own words. A number from 400 to 599 is a refusal, as are a few later
ones: of a message under way if one fits, else of whatever was asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netd.client.event import Effect, Refused, Told
from netd.client.state import State
from netd.protocols.irc import Message

_REFUSALS: Final = frozenset({*range(400, 600), 696, 734, 902, 904, 905, 906, 907})
_QUIET: Final = frozenset(  # greetings, and ends of lists whose end needs no telling
    {"002", "003", "004", "250", "251", "252", "253", "254", "255", "265", "266"}
    | {"315", "318", "329", "333", "369", "375", "422"}
)
_JOIN_REFUSALS: Final = frozenset(
    {"403", "405", "437", "471", "473", "474", "475", "476", "477", "489"}
)
_CHANNEL_REFUSALS: Final = frozenset(  # of a topic, mode, invitation, kick: never of a message
    {"467", "472", "478", "482"}
)


def receive(state: State, message: Message) -> list[Effect]:
    """Take in one reply."""
    if message.command in _QUIET or not message.command.isdecimal():
        return []
    handler = _HANDLERS.get(message.command)
    if handler is not None:
        return handler(state, message)
    if int(message.command) in _REFUSALS:
        return _refused(state, message)
    return [Told(" ".join(message.params[1:]))]


def _refused(state: State, message: Message) -> list[Effect]:
    _, *context, words = ("", *message.params) if len(message.params) < 2 else message.params  # noqa: PLR2004 (our nick and the words)
    target = context[0] if context else ""
    if message.command not in _CHANNEL_REFUSALS:
        undelivered = state.outbox.on_refusal(target, words)
        if undelivered:
            return undelivered
    refused = Refused(f"{target}: {words}" if target else words, message.command, target)
    if message.command in _JOIN_REFUSALS and target not in state.roster:
        state.wanted.pop(state.fold(target), None)
        if state.fold(state.current) == state.fold(target):
            state.current = next((each.name for each in state.roster), state.current)
        return [refused, *state.outbox.drop(target, words)]
    return [refused]


def _topic(_state: State, message: Message) -> list[Effect]:
    _, channel, topic = message.params
    return [Told(f"the topic is: {topic}", channel)]


def _names(state: State, message: Message) -> list[Effect]:
    channel, names = message.params[-2], message.params[-1].split()
    known = state.roster.get(channel)
    if known is None:
        return [Told(f"here: {', '.join(names)}", channel)]
    for name in names:
        known.add(name.lstrip("~&@%+").partition("!")[0])
    return []


def _end_of_names(state: State, message: Message) -> list[Effect]:
    known = state.roster.get(message.params[1])
    if known is None:
        return []
    here = known.by_last_spoken()
    return [Told(f"{len(here)} here: {', '.join(here)}", known.name)]


def _away(_state: State, message: Message) -> list[Effect]:
    _, nick, words = message.params
    return [Told(f"{nick} is away: {words}")]


def _who_is(_state: State, message: Message) -> list[Effect]:
    _, nick, user, host, _, name = message.params
    return [Told(f"{nick} is {user}@{host}: {name}")]


def _idle(_state: State, message: Message) -> list[Effect]:
    nick, seconds = message.params[1], int(message.params[2])
    hours, minutes = divmod(seconds // 60, 60)
    return [Told(f"{nick} was last active {hours} h {minutes} min {seconds % 60} s ago")]


def _is_in(_state: State, message: Message) -> list[Effect]:
    _, nick, channels = message.params
    return [Told(f"{nick} is in {channels.rstrip()}")]


def _last_first(_state: State, message: Message) -> list[Effect]:
    _, nick, what, words = message.params
    return [Told(f"{nick} {words} {what}")]


def _in_words(_state: State, message: Message) -> list[Effect]:
    return [Told(message.params[-1])]


def _motd(state: State, message: Message) -> list[Effect]:
    return [] if state.is_greeted else [Told(message.params[-1].removeprefix("- "))]


def _end_of_motd(state: State, _message: Message) -> list[Effect]:
    state.is_greeted = True
    return []


def _isupport(state: State, message: Message) -> list[Effect]:
    state.learn(message.params[1:-1])
    return []


_HANDLERS: Final[dict[str, Callable[[State, Message], list[Effect]]]] = {
    "005": _isupport,
    "301": _away,
    "305": _in_words,
    "306": _in_words,
    "311": _who_is,
    "317": _idle,
    "319": _is_in,
    "330": _last_first,
    "332": _topic,
    "338": _last_first,
    "353": _names,
    "366": _end_of_names,
    "372": _motd,
    "376": _end_of_motd,
}

"""The commands that say something: messages, answers, reactions, deleted messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netd.client.core.chat_events import (
    Effect,
    MessageKind,
    Refused,
    SentAside,
    Switched,
    send,
)
from netd.client.core.chat_lines import PERSIST_TAG, REACT_TAG, REPLY_TAG, UNREACT_TAG
from netd.client.core.client_state import ClientState
from netd.client.core.commands.base import Argument, SlashCommand, say, say_to
from netd.client.core.conversations import Reference
from netd.client.core.secrets import masked

_REDACTION: Final = "draft/message-redaction"
REACTIONS: Final = ("👍", "👎", "❤️", "😄", "🎉", "😕", "👀", "🚀")


def _me(state: ClientState, argument: str) -> list[Effect]:
    return say(state, argument, MessageKind.ACTION)


def _msg(state: ClientState, argument: str) -> list[Effect]:
    target, _, text = argument.partition(" ")
    if text.strip():
        return [*say_to(state, target, text), *_aside(state, target, text)]
    state.current = target
    return [Switched(f"you talk to {target} now; /join CHANNEL returns to a channel")]


def _aside(state: ClientState, target: str, text: str) -> list[Effect]:
    """Show what is said elsewhere in the current conversation as well."""
    elsewhere = [
        name for name in target.split(",") if not state.is_current(name) and state.can_queue(name)
    ]
    return [SentAside(f"to {', '.join(elsewhere)}: {masked(target, text)}")] if elsewhere else []


def _query(state: ClientState, argument: str) -> list[Effect]:
    target, _, text = argument.partition(" ")
    if not target:
        state.conversations.close(state.current)
        return []
    state.current = target
    return say_to(state, target, text) if text.strip() else []


def _notice(state: ClientState, argument: str) -> list[Effect]:
    target, _, text = argument.partition(" ")
    if not text.strip():
        return [Refused("usage: /notice NICK TEXT")]
    sent = say_to(state, target, text, MessageKind.NOTICE)
    return [*sent, *_aside(state, target, text)]


def _choose(
    state: ClientState, words: str, is_meant: Callable[[Reference], bool]
) -> tuple[Reference | None, str]:
    """Return the message that the words begin with (a nick or -N), and the words after that.

    Without such a word it is the newest message that `is_meant`.
    """
    messages = list(reversed(state.conversations.current.references))
    first, _, rest = words.partition(" ")
    if first.startswith("-") and first[1:].isdecimal() and 0 < int(first[1:5]) <= len(messages):
        return messages[int(first[1:5]) - 1], rest.strip()
    nick = state.fold(first.rstrip(":,"))
    of_nick = [m for m in messages if state.fold(m.sender) == nick]
    if of_nick:
        return of_nick[0], rest.strip()
    return next(filter(is_meant, messages), None), words


def _by_others(message: Reference) -> bool:
    return not message.mine


def _own(message: Reference) -> bool:
    return message.mine


def _reply(state: ClientState, argument: str) -> list[Effect]:
    message, text = _choose(state, argument, _by_others)
    if message is None:
        return [Refused("there is no message to answer here")]
    if not text:
        return [Refused("usage: /reply [NICK|-N] TEXT")]
    return state.queue_text(state.current, text, tags={REPLY_TAG: message.id})


def _react(state: ClientState, argument: str) -> list[Effect]:
    reaction, _, words = argument.partition(" ")
    message, _ = _choose(state, words, _by_others)
    if message is None or "message-tags" not in state.capabilities:
        return [Refused("there is no message to react to here")]
    given = (message.id, reaction)
    tag = UNREACT_TAG if given in state.reactions else REACT_TAG
    state.toggle_reaction(*given)
    tags = {tag: reaction, REPLY_TAG: message.id, PERSIST_TAG: ""}
    return [send("TAGMSG", state.current, tags=tags)]


def _redact(state: ClientState, argument: str) -> list[Effect]:
    message, reason = _choose(state, argument, _own)
    if _REDACTION not in state.capabilities:
        return [Refused("the server cannot delete messages")]
    if message is None:
        return [Refused("there is no message of yours to delete here")]
    return [send("REDACT", state.current, message.id, *([reason] if reason else []))]


_WHICH: Final = (
    "NICK means the newest message of that user, -N the Nth message from the end; "
    "without them it is the newest message"
)
COMMANDS: Final[dict[str, SlashCommand]] = {
    "msg": SlashCommand(
        *("NICK [TEXT]", "private message; without TEXT: talk to NICK", _msg, True),
        (Argument.NICK,),
    ),
    "query": SlashCommand(
        *("[NICK] [TEXT]", "talk to NICK in a conversation of its own", _query, True),
        (Argument.NICK,),
        "Without NICK, the current private conversation is closed.",
    ),
    "me": SlashCommand("TEXT", "say what you do", _me, works_offline=True),
    "notice": SlashCommand(
        *("NICK TEXT", "send a notice to a user or channel", _notice, True), (Argument.NICK,)
    ),
    "reply": SlashCommand(
        *("[NICK|-N] TEXT", "answer a message", _reply), False, (Argument.NICK,), f"{_WHICH}."
    ),
    "react": SlashCommand(
        *("EMOJI [NICK|-N]", "react to a message; again: withdraw it", _react, False),
        (Argument.REACTION, Argument.NICK),
        f"{_WHICH}.",
    ),
    "redact": SlashCommand(
        *("[NICK|-N] [REASON]", "delete a message, by default your newest", _redact, False),
        (Argument.NICK,),
        f"{_WHICH} of yours.",
    ),
}

"""One slash command, and what the handlers share."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from netd.client.core.chat_events import Effect, MessageKind, Refused, SendLine, send
from netd.client.core.client_state import ClientState, is_channel


class Argument(enum.Enum):
    """The kind of an argument, by which completions are offered for it."""

    NICK = enum.auto()
    CHANNEL = enum.auto()
    CONVERSATION = enum.auto()
    COMMAND = enum.auto()
    REACTION = enum.auto()


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """One /command; `usage` names its arguments, optional ones in brackets."""

    usage: str
    help: str
    run: Callable[[ClientState, str], list[Effect]]
    works_offline: bool = False
    arguments: tuple[Argument, ...] = ()  # the last one stands for all that follow
    details: str = ""

    @property
    def needs_argument(self) -> bool:
        """Whether the first argument is required."""
        return bool(self.usage) and not self.usage.startswith("[")


def say(state: ClientState, text: str, kind: MessageKind = MessageKind.TEXT) -> list[Effect]:
    """Send text to the current conversation."""
    if not state.current:
        return [Refused("you are in no channel; use /join CHANNEL or /msg NICK TEXT")]
    return say_to(state, state.current, text, kind)


def say_to(
    state: ClientState, targets: str, text: str, kind: MessageKind = MessageKind.TEXT
) -> list[Effect]:
    """Send text to targets that are separated by commas."""
    separate = filter(None, targets.split(","))  # the server confirms each message separately
    return [effect for target in separate for effect in state.queue_text(target, text, kind)]


def channel_and_rest(state: ClientState, argument: str) -> tuple[str, str]:
    """Return the channel that an argument begins with, else the current one, and the rest."""
    first, _, rest = argument.partition(" ")
    if is_channel(first):
        return first, rest.strip()
    return (state.current if is_channel(state.current) else ""), argument


def no_channel() -> list[Effect]:
    """The refusal of a command that needs a channel, outside of one."""
    return [Refused("this conversation is no channel; name one, as in /names #lounge")]


def first_word(argument: str) -> str:
    """Return the first word of an argument that is not empty."""
    return argument.split(maxsplit=1)[0]


def send_with(command: str, *parameters: str, text: str) -> SendLine:
    """Send a command; the text is its last parameter, and is left out if it is empty."""
    return send(command, *parameters, *([text] if text else []))

"""BATCH: a client sends a message of several lines (IRCv3 draft/multiline)."""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.commands.message import deliver
from netd.listeners.chat.room.multiline import BATCH_TYPE, CONCAT_TAG, OpenBatch
from netd.listeners.chat.room.numeric import Numeric
from netd.protocols.irc import Message, fold

REFUND = 0.75
"""The part of a token of flood control that a line of a longer message does not cost: the bytes of
all lines together are bounded."""
_MAX_REFERENCE_CHARS = 64


def batch(context: CommandContext, params: Sequence[str]) -> None:
    """Begin a message, or send it."""
    if not context.client.has(Cap.MULTILINE):
        context.reply(Numeric.UNKNOWNCOMMAND, "BATCH")
    elif params[0].startswith("+"):
        _begin(context, params[0][1:], tuple(params[1:]))
    else:
        _end(context, params[0].removeprefix("-"))


def _begin(context: CommandContext, reference: str, params: Sequence[str]) -> None:
    sender = context.client
    before, sender.open_batch = sender.open_batch, None
    is_valid = 0 < len(reference) <= _MAX_REFERENCE_CHARS and params[:1] == (BATCH_TYPE,)
    if (before is not None and not before.has_failed) or not is_valid or len(params) != 2:  # noqa: PLR2004 (type and target)
        sender.open_batch = OpenBatch(reference, "", has_failed=True)
        context.fail("MULTILINE_INVALID", "Invalid multiline batch")
        return
    sender.open_batch = OpenBatch(reference, params[1], context.label, context.client_tags)
    context.label = ""  # the reply comes when the message is complete


def collect(context: CommandContext, message: Message) -> None:
    """Add a line to the message that the sender has begun."""
    begun = context.client.open_batch
    if begun is not None and begun.has_failed and message.tags["batch"] == begun.reference:
        return
    if begun is None or message.tags["batch"] != begun.reference:
        _fail(context, begun, "MULTILINE_INVALID", "Invalid multiline batch")
        return
    limits, is_concat = context.room.settings.limits, CONCAT_TAG in message.tags
    target, text = (*message.params, "", "")[:2]
    if message.command != "PRIVMSG" or len(message.params) != 2 or (is_concat and not text):  # noqa: PLR2004 (target and text)
        _fail(context, begun, "MULTILINE_INVALID", "Invalid multiline batch")
        return
    if fold(target) != fold(begun.target):
        _fail(context, begun, "MULTILINE_INVALID_TARGET", begun.target, target, "Mismatched target")
        return
    context.client.refund = REFUND
    context.work += 1
    begun.add(text, is_concat=is_concat)
    if begun.used_bytes > limits.multiline_bytes:
        limit = str(limits.multiline_bytes)
        _fail(context, begun, "MULTILINE_MAX_BYTES", limit, "The message has too many bytes")
    elif len(begun.parts) > limits.multiline_lines:
        limit = str(limits.multiline_lines)
        _fail(context, begun, "MULTILINE_MAX_LINES", limit, "The message has too many lines")


def _end(context: CommandContext, reference: str) -> None:
    begun = context.client.open_batch
    if begun is None or begun.reference != reference:
        _fail(context, begun, "MULTILINE_INVALID", "Invalid multiline batch")
        return
    context.client.open_batch = None
    if begun.has_failed:
        return
    context.label, context.client_tags = begun.label, dict(begun.client_tags)
    if begun.is_blank:
        context.command = "BATCH"
        context.fail("MULTILINE_INVALID", "Invalid multiline batch")
    else:
        deliver(context, begun.target, Message("PRIVMSG", (begun.text,)))


def _fail(
    context: CommandContext, begun: OpenBatch | None, code: str, *context_and_text: str
) -> None:
    """Reply with an error; the other lines of the message are ignored."""
    context.command = "BATCH"
    if begun is not None and not begun.has_failed:
        context.label = begun.label
        begun.has_failed = True
        begun.parts.clear()
    context.fail(code, *context_and_text)


COMMANDS = {"BATCH": Command(batch, "+<reference> draft/multiline <target>|-<reference>", params=1)}

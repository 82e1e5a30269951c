"""TOPIC: shows or sets a channel's topic."""

from __future__ import annotations

from collections.abc import Sequence

from netd.listeners.chat.room.channel import Channel, Topic
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.commands.base import Command
from netd.listeners.chat.room.commands.lookup import find_channel, find_joined_channel
from netd.listeners.chat.room.numeric import Numeric


def topic(context: CommandContext, params: Sequence[str]) -> None:
    """Show a channel's topic, or set it."""
    if len(params) == 1:
        channel = find_channel(context, params[0])
        if channel is not None:
            _reply_topic(context, channel)
        return
    channel = find_joined_channel(context, params[0])
    if channel is None:
        return
    if "t" in channel.modes and not channel.is_op(context.sender):
        context.reply(Numeric.CHANOPRIVSNEEDED, channel.name)
    else:
        _set_topic(context, channel, params[1])


def _reply_topic(context: CommandContext, channel: Channel) -> None:
    if not channel.is_known_to(context.sender):
        context.reply(Numeric.NOTONCHANNEL, channel.name)
    elif channel.topic:
        show_topic(context, channel.name, channel.topic)
    else:
        context.reply(Numeric.NOTOPIC, channel.name)


def _set_topic(context: CommandContext, channel: Channel, text: str) -> None:
    text = text[: context.room.settings.limits.topic_chars]
    channel.topic = Topic(text, context.sender.prefix, context.now) if text else None
    message = context.history_message("TOPIC", channel.name, text)
    context.record(channel, message)
    context.save(channel)
    context.broadcast(channel, message)


def show_topic(context: CommandContext, channel_name: str, topic: Topic) -> None:
    """Send the sender the topic of a channel."""
    context.reply(Numeric.TOPIC, channel_name, topic.text)
    context.reply(Numeric.TOPICWHOTIME, channel_name, topic.by, str(int(topic.at)))


COMMANDS = {"TOPIC": Command(topic, "#channel [:<topic>]", params=1)}

"""The conversations to which an event belongs."""

from __future__ import annotations

from netd.client.core.chat_events import (
    ChangeKind,
    ChatEvent,
    ChatMessage,
    Disconnected,
    MembershipChange,
    MessageKind,
    Notice,
    Reaction,
    Redaction,
    Refused,
    Registered,
    ServerNotice,
    Undelivered,
)
from netd.client.core.client_state import ClientState, is_channel, peer_of
from netd.client.core.conversations import Conversation, Conversations


def conversations_of(state: ClientState, event: ChatEvent) -> list[Conversation]:
    """Return the conversations that show an event; a private message opens one."""
    match event:
        case ChatMessage():
            return [_of_message(state, event)]
        case Reaction(sender, target) | Redaction(sender, target):
            peer = peer_of(sender, target, mine=state.is_me(sender))
            found = state.conversations.get(peer)
            return [found] if found else []
        case MembershipChange():
            return _of_change(state, event)
    return _of_information(state.conversations, event)


def _of_information(conversations: Conversations, event: ChatEvent) -> list[Conversation]:
    match event:
        case ServerNotice():
            return [conversations.server]
        case Registered() | Disconnected():
            return _unique(conversations.server, conversations.current)
        case Refused(target=target) if not is_channel(target):
            return [conversations.current]  # of a command, such as /whois, that was typed there
        case Notice(_, target) | Refused(target=target) | Undelivered(target=target) if target:
            return [conversations.get(target) or conversations.current]
    return [conversations.current]


def _of_message(state: ClientState, chat: ChatMessage) -> Conversation:
    conversations = state.conversations
    peer = peer_of(chat.sender, chat.target, mine=chat.mine)
    if chat.kind is not MessageKind.NOTICE or is_channel(chat.target):
        return conversations.open(peer)
    is_server = "." in chat.sender or not chat.sender or chat.target == "*"
    return conversations.get(peer) or (conversations.server if is_server else conversations.current)


def _of_change(state: ClientState, change: MembershipChange) -> list[Conversation]:
    conversations = state.conversations
    if change.channel:
        found = conversations.get(change.channel)
        return [found] if found else []
    names = [*change.channels, change.nick]
    if change.kind is ChangeKind.RENAMED:
        names.append(change.detail)
    shared = [found for name in names if (found := conversations.get(name)) is not None]
    if change.kind is ChangeKind.RENAMED and state.is_me(change.detail):
        shared.append(conversations.current)
    return _unique(*shared)


def _unique(*conversations: Conversation) -> list[Conversation]:
    found: list[Conversation] = []
    for conversation in conversations:
        if conversation not in found:
            found.append(conversation)
    return found

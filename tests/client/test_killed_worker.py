"""netd-chat after the death of the chat worker, whose successor has a snapshot of the room."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from netd.client.core.chat_events import ChannelJoined, MembershipChange, Undelivered
from tests.client.chat_thread import ChatThread
from tests.conftest import StartDaemon
from tests.support import Daemon, memory_files, wait_until


@pytest.fixture
def lounge(start_daemon: StartDaemon) -> Daemon:
    return start_daemon(
        """
        [listeners.lounge]
        kind = "chat"
        address = "tcp://127.0.0.1:0"
        flood_rate = 0
        """
    )


@pytest.fixture
def chats(lounge: Daemon) -> Iterator[tuple[ChatThread, ChatThread]]:
    """Two clients without an account, which have only the token of their connections."""
    port = str(lounge.address("lounge").port)
    with ExitStack() as stack:

        def enter(name: str) -> ChatThread:
            chat = stack.enter_context(closing(ChatThread("--port", port, "--name", name)))
            chat.await_event(ChannelJoined("#lounge"))
            return chat

        yield enter("alice"), enter("bob")


def changes(chat: ChatThread) -> list[MembershipChange]:
    return [event for event in chat.events if isinstance(event, MembershipChange)]


def test_members_notice_a_pause_only(lounge: Daemon, chats: tuple[ChatThread, ChatThread]) -> None:
    alice, bob = chats
    wait_until(lambda: changes(alice), "that bob has joined")
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        alice.type(text)
        bob.type(f"bob's {text}")

    for restart in range(2):
        say(f"before {restart}")
        await_snapshots(lounge, alice, bob, said)
        os.kill(lounge.pids("lounge")[0], signal.SIGKILL)
        say(f"after {restart}")
        for chat in chats:
            chat.await_registrations(restart + 2)
    for chat in chats:
        wait_until(lambda: len(chat.texts()) == 2 * len(said), "all lines")  # noqa: B023 (now)
        assert [text for text in chat.texts() if not text.startswith("bob's")] == said
        assert [text for text in chat.texts() if text.startswith("bob's")] == [
            f"bob's {text}" for text in said
        ]
        assert all(welcome.resumed for welcome in chat.registrations()[1:])
        assert not any(isinstance(event, Undelivered) for event in chat.events)
    assert len(changes(alice)) == 1
    assert not changes(bob)


def await_snapshots(lounge: Daemon, alice: ChatThread, bob: ChatThread, said: list[str]) -> None:
    """Wait until all lines have arrived, and the supervisor has a snapshot that is later."""
    for chat in (alice, bob):
        wait_until(lambda: len(chat.texts()) == 2 * len(said), "the lines")  # noqa: B023 (now)
    supervisor = lounge.status()["pid"]
    for reason in ("first", "second"):  # the first one can have begun before
        before = memory_files(supervisor)
        alice.type(f"/away {reason}")
        wait_until(lambda: memory_files(supervisor) - before, "a snapshot")  # noqa: B023 (now)

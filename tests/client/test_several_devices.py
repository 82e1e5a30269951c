"""Two netd-chats on one account, through a killed worker and a reload: all lines, once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from netd.client.core.chat_events import ChannelJoined
from tests.client.chat_thread import ChatThread
from tests.conftest import StartDaemon
from tests.support import Daemon, wait_until

Chats = tuple[ChatThread, ChatThread, ChatThread]


@pytest.fixture
def lounge(start_daemon: StartDaemon, tmp_path: Path) -> Daemon:
    accounts = "".join(
        f'[[listeners.lounge.accounts]]\nname = "{name}"\npassword = "secret"\n'
        for name in ("ann", "bob")
    )
    return start_daemon(
        '[listeners.lounge]\nkind = "chat"\naddress = "tcp://127.0.0.1:0"\nflood_rate = 0\n'
        f'history_file = "{tmp_path}/lounge.db"\n{accounts}'
    )


@pytest.fixture
def chats(lounge: Daemon, tmp_path: Path) -> Iterator[Chats]:
    """A client of ann, and two devices of bob."""
    (tmp_path / "password").write_text("secret")
    port = str(lounge.address("lounge").port)
    with ExitStack() as stack:

        def enter(name: str) -> ChatThread:
            options = ("--port", port, "--name", name)
            password = ("--password-file", str(tmp_path / "password"))
            chat = stack.enter_context(closing(ChatThread(*options, *password)))
            chat.await_event(ChannelJoined("#lounge"))
            return chat

        yield enter("ann"), enter("bob"), enter("bob")


def test_every_line_reaches_every_device_once_and_in_order(lounge: Daemon, chats: Chats) -> None:
    said: list[str] = []
    talk(chats, said, 0)
    os.kill(lounge.pids("lounge")[0], signal.SIGKILL)
    talk(chats, said, 1)
    lounge.reload()
    talk(chats, said, 2)
    for chat in chats:
        assert sorted(chat.texts()) == sorted(said), "each line once"
        for speaker in ("ann", "desk", "phone"):
            times = [time_of(chat, text) for text in said if text.startswith(speaker)]
            assert times == sorted(times), "in order"


def talk(chats: Chats, said: list[str], stage: int) -> None:
    """Every client says something, until all have got it all."""
    ann, *devices = chats
    for number in range(4):
        said += [f"{speaker} {stage}.{number}" for speaker in ("ann", "desk", "phone")]
        for chat, text in zip(chats, said[-3:], strict=True):
            chat.type(text)
    ann.type(f"/msg bob private {stage}")
    for chat in chats:
        wait_until(partial(has_all, chat, said), "all lines")
    wanted = [f"private {number}" for number in range(stage + 1)]
    for device in devices:
        wait_until(partial(has_private, device, wanted), "private lines")


def has_all(chat: ChatThread, said: list[str]) -> bool:
    return set(said) <= set(chat.texts())


def has_private(chat: ChatThread, wanted: list[str]) -> bool:
    return chat.texts("bob") == wanted


def time_of(chat: ChatThread, text: str) -> str:
    """The server's time of a message, by which the screen sorts: a history comes late."""
    [message] = [message for message in chat.messages() if message.text == text]
    return message.time

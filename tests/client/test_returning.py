"""netd-chat after a lost connection, with the real daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from netd.client.core.chat_events import ChannelJoined, Delivered
from tests.client.chat_thread import ChatThread
from tests.client.cuttable_wire import CuttableWire
from tests.client.observer import Observer
from tests.conftest import StartDaemon
from tests.support import Daemon, cheap_hash, wait_until

LINES = 250  # of which the server sends at most 100 for one request


@pytest.fixture
def lounge(start_daemon: StartDaemon) -> Daemon:
    return start_daemon(
        f"""
        [listeners.lounge]
        kind = "chat"
        address = "tcp://127.0.0.1:0"
        flood_rate = 0
        history_lines = 1000

        [[listeners.lounge.accounts]]
        name = "bob"
        password = "{cheap_hash("sesame")}"
        """
    )


@pytest.fixture
def wire(lounge: Daemon) -> Iterator[CuttableWire]:
    with closing(CuttableWire(lounge.address("lounge"))) as started:
        yield started


@pytest.fixture
def chat(wire: CuttableWire, tmp_path: Path) -> Iterator[ChatThread]:
    password = tmp_path / "password"
    password.write_text("sesame\n")
    arguments = ["--port", str(wire.port), "--name", "bob", "--password-file", str(password)]
    with closing(ChatThread(*arguments, "--channel", "#lounge", "--channel", "#dev")) as started:
        for channel in ("#lounge", "#dev"):
            started.await_event(ChannelJoined(channel))
        yield started


@pytest.fixture
def observers(lounge: Daemon) -> Iterator[tuple[Observer, Observer]]:
    address = lounge.address("lounge")
    with ExitStack() as stack:
        yield (
            stack.enter_context(Observer(address)),
            stack.enter_context(Observer(address, "dev", "#dev")),
        )


def sync(observer: Observer) -> None:
    observer.send("PING", "done")
    observer.await_message("PONG")


def test_it_shows_all_that_it_missed_once_and_in_order(
    wire: CuttableWire, chat: ChatThread, observers: tuple[Observer, Observer]
) -> None:
    ear, dev = observers
    ear.say("seen")
    dev.say("seen")
    wait_until(lambda: chat.texts() == chat.texts("#dev") == ["seen"], "the first lines")
    wire.lose_replies()
    missed = [f"line {number}" for number in range(LINES)]
    for text in missed:
        ear.say(text)
    dev.say("missed in dev")
    ear.send("PRIVMSG", "bob", "a secret")
    for observer in observers:
        sync(observer)
    wire.cut()
    chat.await_registrations(2)
    ear.await_message("JOIN", "bob!")
    ear.say("live")
    wait_until(lambda: len(chat.texts()) == LINES + 2, "all lines")
    assert [text for text in chat.texts() if text != "live"] == ["seen", *missed]
    wait_until(lambda: chat.texts("bob"), "the private message")
    wait_until(lambda: len(chat.texts("#dev")) > 1, "the line of the other channel")
    assert chat.texts("bob") == ["a secret"]
    assert chat.texts("#dev") == ["seen", "missed in dev"]


def test_a_message_that_the_server_got_is_not_sent_again(
    wire: CuttableWire, chat: ChatThread, observers: tuple[Observer, Observer]
) -> None:
    ear, _ = observers
    ear.say("seen")
    wait_until(lambda: chat.texts() == ["seen"], "the first line")
    wire.lose_replies()
    chat.type("only once")
    assert ear.hear(1) == ["only once"]
    chat.type("kept")
    assert ear.hear(1) == ["kept"]
    wire.cut()
    chat.await_event(Delivered("#lounge", "kept"))
    chat.type("the end")
    assert ear.hear(1) == ["the end"]
    shown = ["seen", "only once", "kept", "the end"]
    wait_until(lambda: len(chat.texts()) == len(shown), "the last message")
    assert chat.texts() == shown

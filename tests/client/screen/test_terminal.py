"""netd-chat on a pseudoterminal: keys in, screen contents out."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pexpect
import pytest

from tests.client.conftest import COMMAND
from tests.client.observer import Observer
from tests.client.screen.conftest import (
    CTRL_C,
    CTRL_D,
    CTRL_R,
    ENTER,
    TAB,
    Start,
    await_end,
    see,
)
from tests.support import PATIENCE_S, Daemon


def test_messages_in_both_directions(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge")) as ear:
        chat = start_chat()
        see(chat, "[bob@")
        chat.send("hello there" + ENTER)
        assert ear.hear(1) == ["hello there"]
        see(chat, "<bob> hello there")
        ear.say("hello yourself")
        see(chat, "<ear> hello yourself")
        chat.send("/me waves" + ENTER)
        assert ear.hear(1) == ["\x01ACTION waves\x01"]
        chat.send("/quit bye" + ENTER)
        assert await_end(chat) == 0
        assert ear.await_message("QUIT").params[-1].endswith("bye")


def test_joins_and_quits_are_shown(lounge: Daemon, start_chat: Start) -> None:
    chat = start_chat()
    with Observer(lounge.address("lounge")):
        see(chat, "ear has joined")
    see(chat, "ear has quit")


def test_many_who_come_and_go_share_a_line(lounge: Daemon, start_chat: Start) -> None:
    chat = start_chat()
    with ExitStack() as crowd:
        for number in range(6):
            crowd.enter_context(Observer(lounge.address("lounge"), nick=f"guest{number}"))
    see(chat, "have quit")


def test_a_line_being_typed_survives_a_flood(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge")) as ear:
        chat = start_chat()
        chat.send("half a ")
        see(chat, "half a")
        for number in range(20):
            ear.say(f"line {number} of many")
        chat.send("line")
        see(chat, "<ear> line 19 of many")
        chat.send(ENTER)
        assert ear.hear(1, "bob") == ["half a line"]


def test_tab_completes_the_last_speaker(lounge: Daemon, start_chat: Start) -> None:
    with (
        Observer(lounge.address("lounge"), nick="anna"),
        Observer(lounge.address("lounge"), nick="andy") as andy,
    ):
        chat = start_chat()
        andy.say("me first")
        see(chat, "me first")
        chat.send("an" + TAB + "hi" + ENTER)
        assert andy.hear(1) == ["andy: hi"]


def test_ctrl_c_clears_the_line_and_again_leaves(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge")) as ear:
        chat = start_chat()
        chat.send("not this" + CTRL_C + "but this" + ENTER)
        assert ear.hear(1) == ["but this"]
        chat.send(CTRL_C)
        chat.expect("Ctrl-C again leaves")
        chat.send(CTRL_C)
        assert await_end(chat) == 0


def test_searching_the_input_history_sends_nothing(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge")) as ear:
        chat = start_chat()
        chat.send(f"hello world{ENTER}")
        assert ear.hear(1) == ["hello world"]
        see(chat, "<bob> hello world")
        see(chat, "[bob@")  # prompt_toolkit loads the input history when it draws the prompt
        chat.send(f"{CTRL_R}hel{ENTER}{ENTER}")
        assert ear.hear(1) == ["hello world"], "what was found, not what was sought"


def test_alt_enter_sends_the_line(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge")) as ear:
        chat = start_chat()
        chat.send("one\x1b\rtwo\r")
        assert ear.hear(2) == ["one", "two"]


def test_lines_that_were_not_sent_are_shown_on_leaving(
    own_lounge: Daemon, start_own_chat: Start
) -> None:
    chat = start_own_chat()
    own_lounge.process.terminate()
    see(chat, "trying again")
    chat.send("too late" + ENTER)
    see(chat, "kept until the connection is back")
    chat.send(CTRL_D)
    chat.expect("1 line is not sent yet: leave, wait until sent, stay")
    chat.send("l")
    chat.expect("not delivered: 'too late'")
    assert await_end(chat) == 0


def test_ctrl_d_leaves(start_chat: Start) -> None:
    chat = start_chat()
    chat.send(CTRL_D)
    assert await_end(chat) == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_quits_the_server(lounge: Daemon, start_chat: Start, signum: int) -> None:
    with Observer(lounge.address("lounge")) as ear:
        chat = start_chat()
        chat.kill(signum)
        assert await_end(chat) == 0
        assert ear.await_message("QUIT").source.startswith("bob!")


def test_escape_sequences_in_messages_are_made_visible(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge")) as ear:
        chat = start_chat()
        ear.say("\x1b]0;owned\x07\x1b[2Jend")
        chat.expect("␛]0;owned␇␛\\[2Jend")


def test_a_nick_from_the_server_is_sanitized_in_the_prompt(home: Path) -> None:
    del home
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        chat = pexpect.spawn(
            sys.executable,
            [*COMMAND[1:], "--port", port, "--name", "bob", "--plain"],
            env={**os.environ, "TERM": "xterm-256color"},
            encoding="utf-8",
            timeout=PATIENCE_S,
        )
        with server.accept()[0] as accepted:
            accepted.sendall(":srv 001 bob :Hi\r\n:bob NICK b\u202eob\r\n".encode())
            see(chat, "[b\ufffdob@")
            assert "\u202e" not in str(chat.before)
        chat.close(force=True)


def test_a_mention_rings_the_bell(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge")) as ear:
        chat = start_chat()
        ear.say("bob: wake up")
        chat.expect("wake up[^\n]*\a")


def test_no_color_is_honoured(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge")) as ear:
        chat = start_chat(NO_COLOR="1")
        ear.say("bob: wake up")
        chat.expect_exact("<ear> bob: wake up")


def test_it_reconnects_after_a_crash_of_the_worker(
    own_lounge: Daemon, start_own_chat: Start
) -> None:
    chat = start_own_chat()
    os.kill(own_lounge.pids("lounge")[0], signal.SIGKILL)
    see(chat, "trying again")
    chat.send("kept meanwhile" + ENTER)
    see(chat, "connected again as bob")
    see(chat, "<bob> kept meanwhile")


def test_earlier_messages_are_shown(own_lounge: Daemon, start_own_chat: Start) -> None:
    with Observer(own_lounge.address("lounge")) as ear:
        ear.say("before you came")
        ear.send("PING", "done")
        ear.await_message("PONG")
        chat = start_own_chat()
        see(chat, "1 earlier message")
        see(chat, "<ear> ")
        chat.expect("before you came")


def test_several_channels_with_one_current(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge"), channel="#dev") as ear:
        chat = start_chat()
        chat.send("/join #dev" + ENTER)
        chat.expect(r"\[bob@[\w-]+ #dev\]>")
        chat.send("hi dev" + ENTER)
        assert ear.hear(1) == ["hi dev"]
        chat.send("/part" + ENTER)
        chat.expect("has left")
        chat.send("/who" + ENTER)
        chat.expect("1 here: bob")


def test_a_taken_name_is_replaced_with_a_notice(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge"), nick="bob"):
        chat = start_chat()
        chat.expect(r"\[bob_@")


def test_the_line_being_typed_survives_a_resize(lounge: Daemon, start_chat: Start) -> None:
    with Observer(lounge.address("lounge")) as ear:
        chat = start_chat()
        chat.send("as it ")
        see(chat, "as it")
        chat.setwinsize(10, 30)
        ear.say("something longer than thirty columns are wide")
        chat.expect("wide")
        chat.send("was" + ENTER)
        assert ear.hear(1) == ["as it was"]


def test_an_absent_server_is_reported(home: Path) -> None:
    missing = home / "no.sock"
    chat = pexpect.spawn(
        sys.executable, [*COMMAND[1:], f"unix://{missing}"], encoding="utf-8", timeout=PATIENCE_S
    )
    chat.expect(f"no server listens at {missing}")
    assert await_end(chat) == 3


def test_messages_of_a_configured_ignored_nick_are_hidden(
    lounge: Daemon, home: Path, start_chat: Start
) -> None:
    (home / "netd").mkdir()
    (home / "netd" / "chat.toml").write_text('ignore = ["Mallory"]\n')
    with (
        Observer(lounge.address("lounge"), nick="mallory") as mallory,
        Observer(lounge.address("lounge")) as ear,
    ):
        chat = start_chat()
        mallory.say("nobody listens")
        assert ear.hear(1) == ["nobody listens"]
        ear.say("I do")
        see(chat, "<ear> I do")
        assert "nobody listens" not in str(chat.before)


def test_typed_bytes_that_are_not_utf8_are_replaced(start_chat: Start) -> None:
    chat = start_chat("--channel", "#bytes")
    os.write(chat.child_fd, b"/topic caf\xe9\r")
    see(chat, "bob set the topic: caf\ufffd")

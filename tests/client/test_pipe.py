from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from netd.client.core.client_state import Identity
from tests.client.conftest import COMMAND, Run
from tests.client.observer import Observer
from tests.support import PATIENCE_S, Daemon

TIMEOUT_S = "3"  # of a client; the server here replies earlier, also if the machine stops


def test_lines_are_delivered_in_order(lounge: Daemon, netd_chat: Run) -> None:
    address = str(lounge.address("lounge"))
    given = "one\n/two is no command\n\nthree ünïcödé\nfour, unended"
    with Observer(lounge.address("lounge")) as ear:
        done = netd_chat(address, "--name", "bot", given=given)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert ear.hear(4) == [line for line in given.split("\n") if line]
        assert ear.await_message("QUIT").source.startswith("bot!")


def test_a_text_from_the_command_line(lounge: Daemon, netd_chat: Run) -> None:
    with Observer(lounge.address("lounge"), channel="#ops") as ear:
        arguments = ["--name", "x", "--channel", "#ops", "--send", "deploy done"]
        assert netd_chat(str(lounge.address("lounge")), *arguments).returncode == 0
        assert ear.hear(1) == ["deploy done"]


def test_a_long_line_arrives_whole_in_parts(lounge: Daemon, netd_chat: Run) -> None:
    text = "wörter und mehr " * 120
    with Observer(lounge.address("lounge")) as ear:
        done = netd_chat(str(lounge.address("lounge")), "--name", "bot", given=text)
        assert done.returncode == 0, done.stderr
        heard = ""
        while len(heard) < len(text):
            heard += ear.hear(1)[0]
        assert heard == text


def test_standard_input_may_be_a_file(lounge: Daemon, home: Path, netd_chat: Run) -> None:
    del netd_chat
    path = home / "lines"
    path.write_text("from a file\n")
    with Observer(lounge.address("lounge")) as ear, path.open() as file:
        command = [*COMMAND, str(lounge.address("lounge")), "--name", "bot"]
        assert subprocess.run(command, stdin=file, timeout=PATIENCE_S, check=False).returncode == 0
        assert ear.hear(1) == ["from a file"]


def test_a_line_is_sent_when_it_arrives(lounge: Daemon, home: Path) -> None:
    del home
    command = [*COMMAND, str(lounge.address("lounge")), "--name", "logbot"]
    with (
        Observer(lounge.address("lounge")) as ear,
        subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as bot,
    ):
        assert bot.stdin is not None
        for line in ("first", "second"):
            print(line, file=bot.stdin, flush=True)
            assert ear.hear(1) == [line]
        bot.stdin.close()
        assert bot.wait(PATIENCE_S) == 0


def test_it_reconnects_after_a_crash_and_loses_no_line(own_lounge: Daemon, home: Path) -> None:
    del home
    address = own_lounge.address("lounge")
    command = [*COMMAND, str(address), "--name", "logbot"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bot:
        assert bot.stdin is not None
        assert bot.stderr is not None
        with Observer(address) as ear:
            print("before", file=bot.stdin, flush=True)
            assert ear.hear(1) == ["before"]
        os.kill(own_lounge.pids("lounge")[0], signal.SIGKILL)
        assert "trying again" in bot.stderr.readline()
        with Observer(address) as ear:
            print("after", file=bot.stdin, flush=True)
            assert ear.hear(1) == ["after"]
        bot.stdin.close()
        assert bot.wait(PATIENCE_S) == 0


def test_messages_that_the_server_did_not_confirm_are_reported(home: Path) -> None:
    del home
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [*COMMAND, "--port", str(server.getsockname()[1]), "--name", "bot"]
        options = ["--send", "hi", "--timeout", TIMEOUT_S]
        with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as bot:
            with server.accept()[0] as accepted:
                accepted.sendall(b":srv 001 bot :Hi\r\n:bot!u@h JOIN #lounge\r\n")
                while b"QUIT" not in accepted.recv(4096):
                    pass
            _, errors = bot.communicate(timeout=PATIENCE_S)
    reason = "the server has not confirmed it"
    assert (bot.returncode, errors) == (1, f"netd-chat: not delivered: 'hi': {reason}\n")


def test_events_are_printed_as_json(lounge: Daemon, netd_chat: Run) -> None:
    done = netd_chat(str(lounge.address("lounge")), "--name", "bot", "--json", given="hi\n")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    names = [event["event"] for event in events]
    assert names[0] == "registered"
    assert names.index("joined") < names.index("message") < names.index("delivered")


def test_a_name_in_use_is_a_refusal(lounge: Daemon, netd_chat: Run) -> None:
    with Observer(lounge.address("lounge"), nick="bot"):
        done = netd_chat(str(lounge.address("lounge")), "--name", "bot", given="hi\n")
    assert done.returncode == 1
    assert done.stderr.startswith("netd-chat: bot: ")


@pytest.mark.parametrize(("mode", "words"), [("+i", "#vip"), ("+m", "not delivered: 'hi'")])
def test_a_closed_channel_or_a_refused_message_is_a_refusal(
    lounge: Daemon, netd_chat: Run, mode: str, words: str
) -> None:
    with Observer(lounge.address("lounge"), channel="#vip") as owner:
        owner.send("MODE", "#vip", mode)
        owner.await_message("MODE")
        arguments = [str(lounge.address("lounge")), "--name", "bot", "--channel", "#vip"]
        done = netd_chat(*arguments, given="hi\n")
    assert done.returncode == 1
    assert words in done.stderr


def test_an_absent_server_is_no_connection(netd_chat: Run) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, so no other process has it; not listening
        done = netd_chat("--port", str(closed.getsockname()[1]), "--send", "hi")
    assert done.returncode == 3
    assert "no server listens at 127.0.0.1:" in done.stderr


def test_a_silent_server_is_no_connection(netd_chat: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = str(mute.getsockname()[1])
        done = netd_chat("--port", port, "--send", "hi", "--timeout", "0.2")
    assert (done.returncode, done.stderr) == (3, "netd-chat: no welcome in 0.2 s\n")


def test_a_channel_that_never_opens_is_no_connection(home: Path) -> None:
    del home
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        command = [*COMMAND, "--port", port, "--send", "hi", "--timeout", TIMEOUT_S]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as bot:
            accepted = server.accept()[0]
            with accepted:
                accepted.sendall(b":srv 001 bot :Welcome\r\n")
                _, errors = bot.communicate(timeout=PATIENCE_S)
    assert (bot.returncode, errors) == (3, f"netd-chat: not in #lounge after {TIMEOUT_S} s\n")


def test_a_run_stopped_before_it_has_sent_has_not_delivered(home: Path) -> None:
    del home
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = str(mute.getsockname()[1])
        command = [*COMMAND, "--port", port, "--send", "hi"]
        with subprocess.Popen(command) as bot, mute.accept()[0] as accepted:
            assert accepted.recv(1)  # it has connected, and so listens to signals
            bot.send_signal(signal.SIGTERM)
            assert bot.wait(PATIENCE_S) == 3


def test_closed_and_full_standard_output(lounge: Daemon, home: Path) -> None:
    del home
    script = f'"$@" {lounge.address("lounge")} --name bot --json --send hi'
    shell = ["sh", "-c", f"{script} >&-; echo $?; {script} >/dev/full; echo $?", "sh", *COMMAND]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.stdout.split() == ["0", "1"]
    assert done.stderr == "netd-chat: [Errno 28] No space left on device\n"


def test_a_closed_output_pipe_ends_the_run_while_a_line_waits(home: Path) -> None:
    del home
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [*COMMAND, "--port", str(server.getsockname()[1]), "--name", "bot", "--json"]
        pipe = subprocess.PIPE
        with (
            subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as bot,
            server.accept()[0] as accepted,
        ):
            assert bot.stdin is not None
            assert bot.stdout is not None
            assert bot.stderr is not None
            accepted.sendall(b":srv 001 bot :Hi\r\n:bot!u@h JOIN #lounge\r\n")
            bot.stdin.write("line\n" * 20)
            bot.stdin.flush()
            received = accepted.makefile("rb")
            for number in range(1, Identity("bot").burst + 1):
                while received.readline() != b"PING netd-chat-%d\r\n" % number:
                    pass
                accepted.sendall(b":srv PONG srv netd-chat-%d\r\n" % number)
                while '"delivered"' not in bot.stdout.readline():
                    pass
            bot.stdout.close()
            assert bot.wait(PATIENCE_S) == 128 + signal.SIGPIPE
            assert bot.stderr.read() == ""


def test_a_failure_keeps_its_status_with_standard_error_closed(home: Path) -> None:
    del home
    shell = ["sh", "-c", '"$@" unix:///nowhere --send hi 2>&-', "sh", *COMMAND]
    assert subprocess.run(shell, timeout=PATIENCE_S, check=False).returncode == 3


def test_an_invalid_command_line_is_a_usage_error(netd_chat: Run) -> None:
    done = netd_chat("--port", "no")
    assert done.returncode == 2
    assert "--port" in done.stderr


def test_a_pipe_does_not_load_prompt_toolkit(home: Path) -> None:
    del home
    script = "import sys, netd.client.app; print('prompt_toolkit' in sys.modules)"
    done = subprocess.run(
        [COMMAND[0], "-c", script], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert done.stdout == "False\n"


def test_the_local_daemon_is_found_without_an_address(
    start_daemon: object, home: Path, netd_chat: Run
) -> None:
    (home / "netd").mkdir()
    socket_path = home / "netd/lounge.sock"
    assert callable(start_daemon)
    start_daemon(f'[listeners.lounge]\nkind = "chat"\naddress = "unix://{socket_path}"\n')
    assert netd_chat("--name", "bot", given="hi\n").returncode == 0

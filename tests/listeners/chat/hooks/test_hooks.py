"""The requests of scripts to a chat worker."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netd.protocols.hook import HookAction, HookReply, parse_reply
from tests.listeners.chat.hooks.hook_chat import LIMITS, POST, HookChat
from tests.support import read_all, stop_process

Start = Callable[..., HookChat]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def make(**options: Any) -> HookChat:
            chat = HookChat(**options)
            stack.callback(chat.close)
            return chat

        yield make


def test_a_post_is_a_message_of_a_member_that_stays(start: Start) -> None:
    chat = start()
    ann = chat.plain().register("ann").join("#ops")
    chat.post("deploy done")
    assert ann.expect("JOIN") == ":deploy!~hook@localhost JOIN #ops"
    assert ann.expect("PRIVMSG") == ":deploy!~hook@localhost PRIVMSG #ops :deploy done"
    chat.post("and again")
    assert ann.sync() == [":deploy!~hook@localhost PRIVMSG #ops :and again"]
    ann.send("WHOIS deploy")
    assert "deploy" in ann.expect(" 330 ")  # logged in to the account of the name
    ann.expect(" 335 ")  # a bot
    chat.worker.await_counters(lambda now: now["posts"] == 2)


def test_a_post_to_an_empty_channel_is_in_its_history(start: Start) -> None:
    chat = start()
    chat.post("nobody is here")
    ann = chat.plain().register("ann").join("#ops")
    assert ann.expect("PRIVMSG").endswith(" nobody is here")


def test_several_lines_and_long_ones(start: Start) -> None:
    chat = start()
    text = f"one\n\n:three {'x' * 1000}\nfour"
    chat.post(text)
    assert chat.texts() == [text]
    chat.post("\n".join(map(str, range(60))))
    assert chat.texts()[-1].endswith("\n48\n… (11 more lines)")


def test_commands_in_a_text_are_text(start: Start) -> None:
    chat = start()
    ann = chat.plain().register("ann").join("#ops")
    texts = ["QUIT", "a\nQUIT :now", ":x PRIVMSG ann :y", "/quit", "@label=hook PING x"]
    for text in texts:
        chat.post(text)
    assert chat.texts() == texts
    assert not [line for line in ann.sync() if " QUIT" in line.split(" PRIVMSG ")[0]]


def test_a_key_posts_a_message_once(start: Start) -> None:
    chat = start(opers=[{"name": "root", "password": "secret"}])
    first = chat.post("done", key="k")
    assert chat.post("done", key="k") == first
    assert chat.post("done", key="other") != first
    chat.hand_over()
    assert chat.post("done", key="k") == first
    oper = chat.plain().register("oper").join("#ops")
    oper.send("OPER root secret", "KILL deploy :away")
    oper.expect(" 381 ")
    oper.sync()
    assert chat.post("done", key="k") == first
    assert chat.texts() == ["done", "done"]


def test_a_message_is_stored_when_the_reply_comes(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    chat = start(history_file=str(path))
    chat.post("first")
    chat.post("second")
    os.kill(chat.worker.process.pid, signal.SIGKILL)
    with closing(sqlite3.connect(path)) as database:
        found = database.execute(
            "SELECT text FROM message WHERE command = 'PRIVMSG' ORDER BY id"
        ).fetchall()
    assert [text for (text,) in found] == ["first", "second"]


def test_a_database_that_cannot_be_written_delays_no_post(start: Start, tmp_path: Path) -> None:
    chat = start(history_file=str(tmp_path / "none" / "chat.db"))
    chat.worker.await_degraded("nothing is written")
    for number in range(20):
        chat.post(str(number))


def test_a_key_of_another_member_does_not_count(start: Start) -> None:
    chat = start()
    ann = chat.plain()
    ann.send("CAP REQ message-tags", "CAP END")
    ann.register("ann").join("#ops")
    ann.send("@+netd.dev/post=k PRIVMSG #ops :forged")
    ann.sync()
    chat.post("real", key="k")
    assert chat.texts()[-1] == "real"


def test_a_hook_that_may_not_speak_is_refused_with_the_reason(start: Start) -> None:
    chat = start()
    op = chat.plain().register("op").join("#ops")
    chat.post("hello")
    op.send("MODE #ops +m")
    op.sync()
    reply = chat.ask(replace(POST, text="x"))
    assert reply == HookReply(403, "Cannot send to channel")
    assert chat.ask(replace(POST, text="x\ny")) == reply
    op.send("MODE #ops -m", "MODE #ops +b deploy!*@*", "KICK #ops deploy :out")
    op.sync()
    assert chat.ask(replace(POST, text="x")) == HookReply(403, "Cannot join channel (+b)")
    op.send("MODE #ops -b deploy!*@*")
    op.sync()
    chat.post("back")
    assert op.expect("PRIVMSG").endswith(":back")


def test_a_nick_that_another_member_has(start: Start) -> None:
    chat = start()
    chat.plain().register("deploy")
    chat.post("hello")
    assert [event["nick"] for event in chat.read()] == ["deploy_"]
    assert chat.ask(replace(POST, nick="x" * 60, text="x")) == HookReply(
        503, f"the nick {'x' * 60} cannot be used: Erroneous nickname", 2
    )


def test_a_password_and_a_full_listener_do_not_keep_hooks_out(start: Start) -> None:
    chat = start(password="secret", max_connections=1)
    chat.post("hello")


def test_reading_after_an_id_and_the_last_messages(start: Start) -> None:
    chat = start(history_lines=3)
    ids = [chat.post(str(number)) for number in range(5)]
    assert chat.texts() == ["2", "3", "4"]
    assert chat.texts(count=2) == ["3", "4"]
    assert chat.texts(after=ids[3]) == ["4"]
    assert chat.texts(after=ids[2], count=1) == ["3"]
    assert chat.texts(after=ids[0]) == ["2", "3", "4"]  # that message is not kept any more
    assert chat.texts(after=ids[4]) == []


def test_the_values_of_a_message(start: Start) -> None:
    chat = start()
    ann = chat.plain().register("ann").join("#ops")
    chat.post("first")
    ann.send("NOTICE #ops :note", "PRIVMSG #ops :\x01ACTION waves\x01")
    ann.send("PRIVMSG #ops :\x01VERSION\x01", "PRIVMSG @#ops :operators", "TOPIC #ops :new")
    ann.sync()
    hook, note, action = chat.read()
    assert {**hook, "id": "", "time": ""} == {
        "id": "",
        "time": "",
        "nick": "deploy",
        "account": "deploy",
        "text": "first",
    }
    assert (note["nick"], note["text"], note["notice"]) == ("ann", "note", True)
    assert (action["text"], action["action"]) == ("waves", True)


def test_events_begin_after_an_id_and_go_on(start: Start) -> None:
    chat = start()
    first = chat.post("one")
    chat.post("two\nlines")
    with closing(chat.follow(after=first)) as late, closing(chat.follow()) as fresh:
        late.expect("two\nlines")
        chat.post("three")
        for events in (late, fresh):
            events.expect("three")
        ann = chat.plain().register("ann").join("#ops")
        ann.send("PRIVMSG #ops :four")
        for events in (late, fresh):
            assert events.expect("four")["nick"] == "ann"
        chat.worker.await_counters(lambda now: now["streams"] == 2)
    chat.worker.await_counters(lambda now: now["streams"] == 0)


def test_history_that_is_read_meanwhile_is_no_event(start: Start, tmp_path: Path) -> None:
    chat = start(history_file=str(tmp_path / "chat.db"))
    chat.post("before")
    with closing(chat.follow()) as events:
        chat.post("one")  # waits for the database by a query
        assert chat.texts() == ["before", "one"]
        chat.post("two")
        events.expect("one")
        events.expect("two")


def test_more_events_than_one_reply_has(start: Start) -> None:
    chat = start(history_lines=500)
    first = chat.post("first")
    for number in range(250):
        chat.post(str(number))
    with closing(chat.follow(after=first)) as events:
        for number in range(250):
            events.expect(str(number))


def test_streams_are_bounded(start: Start) -> None:
    chat = start()
    with closing(chat.follow()), closing(chat.follow()):
        with closing(chat.open_stream()) as third:
            lines = third.file.read().decode().split("\r\n")
        assert lines[0] == "HTTP/1.1 503 Service Unavailable"
        assert "Retry-After: 10" in lines
        chat.worker.await_counters(lambda now: now["streams_refused"] == 1)
        with closing(chat.follow(channel="#other")):
            pass


def test_a_stream_of_a_channel_that_cannot_be_joined(start: Start) -> None:
    chat = start()
    op = chat.plain().register("op").join("#ops")
    op.send("MODE #ops +k secret")
    op.sync()
    with closing(chat.open_stream()) as events:
        assert events.next_line() == "HTTP/1.1 403 Forbidden\r"


def test_the_rate_is_bounded(start: Start) -> None:
    chat = start()
    slow = replace(POST, text="x", limits=replace(LIMITS, rate=0.001, burst=2))
    replies = [chat.ask(slow) for _ in range(3)]
    assert [reply.status for reply in replies if reply] == [204, 204, 429]
    assert replies[2] is not None
    assert 0 < replies[2].retry_after_s <= 1000
    assert chat.texts(limits=slow.limits) == ["x", "x"]  # reading has a rate of its own
    chat.worker.await_counters(lambda now: now["posts_too_often"] == 1)


def test_the_requests_that_wait_are_bounded(start: Start) -> None:
    chat = start()
    few = replace(POST, text="x", limits=replace(LIMITS, queue=1))
    stop_process(chat.worker.process.pid)
    with chat.send(few) as first, chat.send(few) as second:
        os.kill(chat.worker.process.pid, signal.SIGCONT)
        assert parse_reply(read_all(first)).status == 204
        assert parse_reply(read_all(second)) == HookReply(503, "too many requests wait", 2)
        chat.worker.await_counters(lambda now: now["posts_queue_full"] == 1)


def test_flood_control_does_not_delay_posts(start: Start) -> None:
    chat = start(flood_rate=0.001, flood_burst=1)
    for number in range(10):
        chat.post(f"{number}\nand more")


def test_a_request_that_is_not_awaited_any_more_is_not_posted(start: Start) -> None:
    chat = start()
    stop_process(chat.worker.process.pid)
    chat.send(replace(POST, text="given up")).close()
    os.kill(chat.worker.process.pid, signal.SIGCONT)
    chat.post("wanted")
    assert chat.texts() == ["wanted"]


def test_a_malformed_request_is_refused(start: Start) -> None:
    chat = start()
    with chat.send_raw(b"{}") as sock:
        assert sock.recv(1) == b""
    chat.post("still there")


def test_another_process_continues_in_silence(start: Start) -> None:
    chat = start()
    ann = chat.plain().register("ann").join("#ops")
    first = chat.post("one")
    ann.sync()
    with closing(chat.follow(after=first)) as events:
        chat.hand_over()
        assert events.is_at_end()
    chat.worker.await_counters(lambda now: now["ghosts"] == 0)
    chat.post("two")
    with closing(chat.follow(after=first)) as events:
        events.expect("two")
    assert ann.sync() == [":deploy!~hook@localhost PRIVMSG #ops :two"]


def test_an_abandoned_handover_changes_nothing(start: Start) -> None:
    chat = start()
    ann = chat.plain().register("ann").join("#ops")
    chat.post("one")
    ann.sync()
    chat.worker.hand_over().close()
    chat.worker.resume()
    chat.post("two")
    assert ann.sync() == [":deploy!~hook@localhost PRIVMSG #ops :two"]


def test_a_listener_that_ends_refuses_requests_and_ends_streams(start: Start) -> None:
    chat = start()
    with closing(chat.follow()) as events:
        chat.worker.drain(stopping=True)
        assert events.is_at_end()
    chat.worker.await_exit()


def test_hooks_on_a_room_with_few_channels(start: Start) -> None:
    chat = start(max_channels=1)
    reply = chat.ask(replace(POST, action=HookAction.READ, count=1))
    assert reply == HookReply(403, "You have joined too many channels")

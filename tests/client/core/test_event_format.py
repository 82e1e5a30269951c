from __future__ import annotations

import datetime as dt
import json
import re

import pytest

from netd.client.core.chat_events import (
    ChangeKind,
    ChannelJoined,
    ChatEvent,
    ChatMessage,
    Delivered,
    Disconnected,
    EarlierMessages,
    Found,
    MembershipChange,
    MessageKind,
    Notice,
    Reaction,
    Redaction,
    Refused,
    Registered,
    SentAside,
    ServerNotice,
    Switched,
    Undelivered,
)
from netd.client.core.event_format import EventFormatter, format_event, to_json
from netd.client.core.styled_text import Style, nick_style

NOW = dt.datetime(2030, 1, 2, 12, 30, tzinfo=dt.UTC)
EVIL = "\x1b[2J\x07\r\n\u202e"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ChatMessage("al", "#c", "hi"), "12:30 <al> hi"),
        (ChatMessage("al", "#other", "hi"), "12:30 #other <al> hi"),
        (ChatMessage("al", "bob", "psst", mention=True), "12:30 [private] <al> psst"),
        (ChatMessage("bob", "al", "yes", mine=True), "12:30 [to al] <bob> yes"),
        (ChatMessage("al", "#c", "yes", reply_to="1"), "12:30 <al> (re an earlier message) yes"),
        (ChatMessage("al", "#c", "a\nb"), "12:30 <al> a\n      b"),
        (Reaction("al", "#c", "+1", "1"), "12:30 -- al reacted +1 to an earlier message"),
        (Redaction("al", "#c", "1", "oops"), "12:30 -- al deleted an earlier message (oops)"),
        (Found("al", "#c", "hi", "2030-01-02T09:05:00Z"), "09:05 #c <al> hi"),
        (Notice("words", "#c"), "12:30 -- words"),
        (ChatMessage("al", "#c", "waves", MessageKind.ACTION), "12:30 * al waves"),
        (ChatMessage("al", "#c", "note", MessageKind.NOTICE), "12:30 -al- note"),
        (ChatMessage("al", "#c", "hi", time="2030-01-02T09:05:00.000Z"), "09:05 <al> hi"),
        (
            ChatMessage("al", "#c", "hi", time="2029-12-31T09:05:00Z", old=True),
            "Dec 31 09:05 <al> hi",
        ),
        (ChatMessage("al", "#c", "hi", time="nonsense"), "12:30 <al> hi"),
        (MembershipChange(ChangeKind.JOINED, "al", "#c"), "12:30 -- al has joined"),
        (MembershipChange(ChangeKind.JOINED, "al", "#d"), "12:30 -- al has joined #d"),
        (MembershipChange(ChangeKind.LEFT, "al", "#c", "bye"), "12:30 -- al has left (bye)"),
        (MembershipChange(ChangeKind.QUIT, "al"), "12:30 -- al has quit"),
        (
            MembershipChange(ChangeKind.KICKED, "al", "#c", "by bob"),
            "12:30 -- al was kicked by bob",
        ),
        (MembershipChange(ChangeKind.RENAMED, "al", detail="ally"), "12:30 -- al is now ally"),
        (Notice("words"), "12:30 -- words"),
        (Notice("words", "#d"), "12:30 -- #d: words"),
        (Registered("bob"), "12:30 -- welcome, bob; /help lists the commands"),
        (Registered("bob", again=True), "12:30 -- connected again as bob"),
        (Refused("no"), "12:30 !! no"),
        (Disconnected("gone"), "12:30 !! gone"),
        (Undelivered("#c", "hi", "banned"), "12:30 !! not delivered: 'hi': banned"),
        (ChannelJoined("#c"), ""),
        (Delivered("#c", "hi"), ""),
    ],
)
def test_events_as_text(event: ChatEvent, line: str) -> None:
    assert EventFormatter(colors=False).line(event, NOW, "#c") == line
    assert re.sub(r"\x1b\[[0-9;]*m", "", EventFormatter(colors=True).line(event, NOW, "#c")) == line


@pytest.mark.parametrize(
    "event",
    [
        ChatMessage(EVIL, EVIL, EVIL, mention=True, time=EVIL),
        ChatMessage(EVIL, "#c", EVIL, MessageKind.ACTION),
        ChatMessage(EVIL, "#c", EVIL, reply_to=EVIL),
        Reaction(EVIL, "#c", EVIL, EVIL),
        Redaction(EVIL, "#c", EVIL, EVIL),
        Found(EVIL, EVIL, EVIL, EVIL),
        MembershipChange(ChangeKind.KICKED, EVIL, EVIL, EVIL),
        Notice(EVIL, EVIL),
        Refused(EVIL),
        Undelivered(EVIL, EVIL, EVIL),
        Registered(EVIL),
    ],
)
def test_text_from_the_network_is_sanitized(event: ChatEvent) -> None:
    shown = EventFormatter(colors=False).line(event, NOW).replace("\n      ", "")
    assert not set(EVIL[:1] + EVIL[4:]) & set(shown)
    colored = EventFormatter(colors=True).line(event, NOW)
    assert "\x1b" not in re.sub(r"\x1b\[\d{1,2}m", "", colored)
    assert to_json(event, NOW).isprintable()


def test_colours_are_stable_and_case_does_not_matter() -> None:
    assert nick_style("Alice") == nick_style("alice")
    assert len({nick_style(f"nick{n}") for n in range(100)}) > 5


def test_json_for_programs() -> None:
    said = ChatMessage("al", "#c", "hi", time="2030-01-02T09:05:00.000Z")
    assert json.loads(to_json(said, NOW)) == {
        "event": "message",
        "time": "2030-01-02T09:05:00.000Z",
        "sender": "al",
        "target": "#c",
        "text": "hi",
        "mine": False,
        "mention": False,
        "old": False,
    }
    joined = json.loads(to_json(MembershipChange(ChangeKind.JOINED, "al", "#c"), NOW))
    assert (joined["event"], joined["time"]) == ("join", "2030-01-02T12:30:00.000+00:00")


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (ChatMessage("al", "#c", "waves", MessageKind.ACTION), "action"),
        (ChatMessage("al", "#c", "hi", MessageKind.NOTICE), "notice"),
        (Notice("hi"), "info"),
        (ServerNotice("hi"), "info"),
        (Switched("hi"), "info"),
        (SentAside("hi"), "info"),
        (EarlierMessages("hi"), "info"),
        (Reaction("al", "#c", "+1", "1"), "react"),
        (Redaction("al", "#c", "1"), "redact"),
        (Found("al", "#c", "hi"), "found"),
        (Refused("no"), "refused"),
        (Registered("bob"), "registered"),
        (ChannelJoined("#c"), "joined"),
        (Delivered("#c", "hi"), "delivered"),
        (Undelivered("#c", "hi", "banned"), "undelivered"),
        (Disconnected("gone"), "disconnected"),
    ],
)
def test_every_event_has_a_name_in_json(event: ChatEvent, name: str) -> None:
    assert json.loads(to_json(event, NOW))["event"] == name


def test_a_private_message_is_marked_outside_its_own_window() -> None:
    said = ChatMessage("al", "bob", "psst", mention=True)
    assert (Style.MENTION, "al") in format_event(said, NOW, "#c")
    assert Style.MENTION not in dict(format_event(said, NOW, "al"))
    in_channel = ChatMessage("al", "#c", "bob!", mention=True)
    assert (Style.MENTION, "al") in format_event(in_channel, NOW, "#c")

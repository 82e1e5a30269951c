from __future__ import annotations

import datetime as dt
import json
import re

import pytest

from netd.client.event import (
    Delivered,
    Entered,
    Event,
    Lost,
    Manner,
    Move,
    Moved,
    Refused,
    Registered,
    Said,
    Told,
    Undelivered,
)
from netd.client.wording import Wording, nick_color, to_json

NOW = dt.datetime(2030, 1, 2, 12, 30, tzinfo=dt.UTC)
EVIL = "\x1b[2J\x07\r\n\u202e"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Said("al", "#c", "hi"), "12:30 <al> hi"),
        (Said("al", "#other", "hi"), "12:30 #other <al> hi"),
        (Said("al", "bob", "psst", mention=True), "12:30 bob <al> psst"),
        (Said("al", "#c", "waves", Manner.ACTION), "12:30 * al waves"),
        (Said("al", "#c", "note", Manner.NOTICE), "12:30 -al- note"),
        (Said("al", "#c", "hi", time="2030-01-02T09:05:00.000Z"), "09:05 <al> hi"),
        (Said("al", "#c", "hi", time="2029-12-31T09:05:00Z", old=True), "Dec 31 09:05 <al> hi"),
        (Said("al", "#c", "hi", time="nonsense"), "12:30 <al> hi"),
        (Moved(Move.JOINED, "al", "#c"), "12:30 -- al has joined"),
        (Moved(Move.JOINED, "al", "#d"), "12:30 -- al has joined #d"),
        (Moved(Move.LEFT, "al", "#c", "bye"), "12:30 -- al has left (bye)"),
        (Moved(Move.QUIT, "al"), "12:30 -- al has gone"),
        (Moved(Move.KICKED, "al", "#c", "by bob"), "12:30 -- al was thrown out by bob"),
        (Moved(Move.RENAMED, "al", detail="ally"), "12:30 -- al is now ally"),
        (Told("words"), "12:30 -- words"),
        (Told("words", "#d"), "12:30 -- #d: words"),
        (Registered("bob"), "12:30 -- welcome, bob; /help lists the commands"),
        (Registered("bob", again=True), "12:30 -- connected again as bob"),
        (Refused("no"), "12:30 !! no"),
        (Lost("gone"), "12:30 !! gone"),
        (Undelivered("#c", "hi", "banned"), "12:30 !! not delivered: 'hi': banned"),
        (Entered("#c"), ""),
        (Delivered("#c", "hi"), ""),
    ],
)
def test_events_in_words(event: Event, line: str) -> None:
    assert Wording(colors=False).line(event, NOW, "#c") == line
    assert re.sub(r"\x1b\[[0-9;]*m", "", Wording(colors=True).line(event, NOW, "#c")) == line


@pytest.mark.parametrize(
    "event",
    [
        Said(EVIL, EVIL, EVIL, mention=True, time=EVIL),
        Said(EVIL, "#c", EVIL, Manner.ACTION),
        Moved(Move.KICKED, EVIL, EVIL, EVIL),
        Told(EVIL, EVIL),
        Refused(EVIL),
        Undelivered(EVIL, EVIL, EVIL),
        Registered(EVIL),
    ],
)
def test_nothing_from_the_network_reaches_the_terminal_raw(event: Event) -> None:
    assert not set(EVIL[:1] + EVIL[4:]) & set(Wording(colors=False).line(event, NOW))
    colored = Wording(colors=True).line(event, NOW)
    assert "\x1b" not in re.sub(r"\x1b\[\d{1,2}m", "", colored)
    assert to_json(event, NOW).isprintable()


def test_colours_are_stable_and_case_does_not_matter() -> None:
    assert nick_color("Alice") == nick_color("alice")
    assert len({nick_color(f"nick{n}") for n in range(100)}) > 5


def test_json_for_programs() -> None:
    said = Said("al", "#c", "hi", time="2030-01-02T09:05:00.000Z")
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
    moved = json.loads(to_json(Moved(Move.JOINED, "al", "#c"), NOW))
    assert (moved["event"], moved["time"]) == ("join", "2030-01-02T12:30:00.000+00:00")
    assert json.loads(to_json(Delivered("#c", "hi"), NOW))["event"] == "delivered"

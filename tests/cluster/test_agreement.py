"""Hosts whose settings differ report that, by the keys of the configuration."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from netd.errors import StateError
from netd.listeners.chat.cluster.agreement import KEYS, differences, format_agreement
from netd.listeners.chat.cluster.digest import shared_state
from netd.listeners.chat.cluster.log_entry import EntryKind, LogEntry
from netd.listeners.chat.cluster.log_position import Position
from netd.listeners.chat.cluster.recovering_room import RecoveringRoom
from netd.listeners.chat.options import ChatOptions
from netd.listeners.chat.room.settings import Account, RoomLimits, RoomSettings
from tests.cluster.replicated_room import ReplicatedRoomUnderTest
from tests.listeners.chat.room.room_under_test import NOON

SETTINGS = RoomSettings("one.test", accounts={"anna": Account("Anna", "sesame")})


def test_what_a_host_may_have_for_itself_is_not_compared() -> None:
    limits = replace(SETTINGS.limits, memory_bytes=1)
    other = replace(SETTINGS, server_name="two.test", motd=("hi",), limits=limits)
    assert not differences(SETTINGS, format_agreement(other))
    assert b"sesame" not in format_agreement(SETTINGS)


def test_the_key_of_the_cloaks_is_not_published() -> None:
    assert b"secret" not in format_agreement(replace(SETTINGS, cloaks=True, cloak_key="secret"))


def test_the_key_of_the_cloaks_is_not_compared_without_cloaks() -> None:
    one, two = [replace(SETTINGS, cloaks=False, cloak_key=key) for key in "ab"]
    assert not differences(one, format_agreement(two))


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (replace(SETTINGS, limits=RoomLimits(topic_chars=3)), ["topic_length"]),
        (replace(SETTINGS, redact_s=1), ["redact_within"]),
        (replace(SETTINGS, cloaks=True, cloak_key="another"), ["cloak", "cloak_key"]),
        (replace(SETTINGS, accounts={}, always_on=True), ["always_on", "accounts"]),
    ],
)
def test_the_settings_that_differ_are_named(other: RoomSettings, names: list[str]) -> None:
    assert differences(SETTINGS, format_agreement(other)) == names


def test_the_names_are_keys_of_the_configuration() -> None:
    assert {*KEYS.values()} <= {field.name for field in fields(ChatOptions)}


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"level": 1}', b"\xff"])
def test_a_malformed_input_is_refused(data: bytes) -> None:
    with pytest.raises(StateError):
        differences(SETTINGS, data)


def test_a_room_reports_them_until_they_agree() -> None:
    room = ReplicatedRoomUnderTest(on_both=True)
    one, two = room.hosts.rooms.values()
    two.state.settings = replace(two.state.settings, channel="#other")
    two.publish_settings()
    room.apply(())
    assert room.logged == ["the host two has other settings: channel"]
    assert one.disagreements == {"two": ["channel"]}
    two.state.settings = one.state.settings
    two.publish_settings()
    room.apply(())
    assert not one.disagreements


def test_the_channel_of_the_configuration_is_the_same_on_all_hosts() -> None:
    entry = LogEntry(Position(1, 1), EntryKind.JOINED, "one", "", int(NOON * 1000) + 5)
    states: list[object] = []
    for name in ("one", "two"):
        settings = RoomSettings(f"{name}.test", channel="#lounge", topic="Welcome")
        now = NOON + len(name) * len(states)
        room = RecoveringRoom(settings, now, name, print, print, on_bug=print)
        for _ in room.apply(entry):
            pass
        states.append((shared_state(room.state), room.state.channels["#lounge"].created))
    assert states[0] == states[1]

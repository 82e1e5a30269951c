"""Any lines of a server, and any typed lines, are shown without errors and control codes."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from netd.client.core import bars
from netd.client.core.chat_events import ChatEvent
from netd.client.core.desk import Desk
from netd.client.core.event_format import EventFormatter, to_json
from netd.client.core.irc_client import IrcClient
from netd.client.core.slash_commands import COMMANDS
from netd.client.core.styled_text import plain_text
from netd.client.core.word_wrap import columns
from netd.errors import RemoteProtocolError
from netd.protocols.irc import parse
from tests.client.core.feeding import feed, welcome

NOW = dt.datetime(2030, 1, 1, 12, 0, tzinfo=dt.UTC)
CAPS = (
    "batch chghost draft/chathistory draft/message-redaction draft/multiline draft/read-marker "
    "echo-message labeled-response message-tags server-time soju.im/search"
)
VERBS = (
    *("PRIVMSG", "NOTICE", "TAGMSG", "REDACT", "MARKREAD", "BATCH", "JOIN", "PART", "KICK", "QUIT"),
    *("NICK", "MODE", "TOPIC", "INVITE", "CAP", "FAIL", "WARN", "ACK", "CHATHISTORY", "PONG"),
    *("001", "005", "301", "322", "324", "332", "353", "366", "367", "372", "376", "401", "404"),
    *("433", "482", "730", "731", "900", "999"),
)
WORDS = st.sampled_from(
    [
        *("bob", "alice", "#lounge", "#dev", "*", "+1", "-1", "+ov", "-b", "chathistory", "1", ""),
        *("draft/multiline", "TARGETS", "timestamp=2030-01-01T10:00:00.000Z", "PREFIX=(ov)@+"),
        *("\x01ACTION waves\x01", "\x1b[2J", "\u202eabc", "你好", "x" * 300, "CHANMODES=,,,", "=" ),
    ]
)  # fmt: skip
TIMES = ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z")
TAGS = st.dictionaries(
    st.sampled_from(["batch", "time", "msgid", "label", "+draft/reply", "+draft/react"]),
    st.sampled_from(
        ["1", "2030-01-01T10:00:00.000Z", "9999-99-99T99:99:99Z", *TIMES, "netd-chat-1", ""]
    ),
)


@st.composite
def received(draw: st.DrawFn) -> str:
    tags = ";".join(f"{name}={value}" for name, value in draw(TAGS).items())
    nick = draw(st.sampled_from(["bob", "alice", "carol", "srv.test", ""]))
    verb = draw(st.sampled_from(VERBS))
    params = draw(st.lists(WORDS, max_size=5))
    head = [*([f"@{tags}"] if tags else []), f":{nick}!u@h", verb]
    *middle, last = params or [""]
    return " ".join([*head, *(word for word in middle if word and " " not in word), f":{last}"])


TYPED = st.builds(
    lambda name, words: f"/{name} {' '.join(words)}",
    st.sampled_from(sorted(COMMANDS)),
    st.lists(WORDS, max_size=3),
)


class Shown:
    """A client whose events are shown in every way."""

    def __init__(self) -> None:
        self.desk: list[Desk] = []
        self.client: IrcClient = welcome(CAPS, self.show)
        self.desk.append(Desk(self.client.state, columns))

    def show(self, event: ChatEvent) -> None:
        for desk in self.desk:
            desk.follow()
            for placed in desk.record(event, NOW, is_present=False):
                line = EventFormatter(colors=False).line(event, NOW, placed.conversation.name)
                assert line.replace("\n", "").isprintable()
            assert to_json(event, NOW).isprintable()

    def look(self, width: int, height: int) -> None:
        (desk,) = self.desk
        state = self.client.state
        rows = desk.current.visible(width, height)
        assert len(rows) <= height
        for row in rows:
            assert columns(plain_text(row)) <= max(width, 2)
            assert plain_text(row).isprintable()
        for bar in (
            bars.title(state, "host"),
            bars.status(state, "12:30", 1, width, columns),
            *bars.waiting(state, width),
        ):
            assert plain_text(bar).isprintable()


@given(st.lists(st.one_of(received(), TYPED), max_size=30), st.integers(4, 90), st.integers(1, 20))
def test_any_lines_are_shown(lines: list[str], width: int, height: int) -> None:
    shown = Shown()
    for number, line in enumerate(lines):
        if line.startswith("/"):
            shown.client.type(line)
        else:
            try:
                message = parse(line.encode())
            except RemoteProtocolError:
                continue
            assert message is not None
            shown.client.receive(message)
        shown.client.due(float(number))
    shown.look(width, height)
    shown.client.disconnected()
    shown.look(width, height)
    shown.client.connected()
    feed(shown.client, f"CAP * LS :{CAPS}", f"CAP * ACK :{CAPS}", ":srv 001 bob :Welcome")
    feed(shown.client, ":bob!u@h JOIN #lounge", "CHATHISTORY TARGETS alice 2030-01-01T10:00:00Z")

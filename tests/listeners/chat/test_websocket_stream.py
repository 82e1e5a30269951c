from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from netd.listeners.chat.backlog import Backlog
from netd.listeners.chat.websocket_stream import KEEP_ALIVE_S, WebSocketStream
from netd.protocols.websocket import CloseCode, Opcode, format_close
from netd.protocols.websocket_reader import READER
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller
from tests.protocols.websocket_client import frame, text

PONG = 0xA


class Setting:
    """A stream on a loop with a clock of its own, and its client."""

    def __init__(
        self,
        opcode: Opcode = Opcode.TEXT,
        sock: socket.socket | None = None,
        client: socket.socket | None = None,
    ) -> None:
        self.now = 0.0
        self.work_s = 0.0
        """The time that lines which arrive take."""
        self.loop = Loop(EpollPoller(), lambda: self.now)
        self.received: list[bytes | str] = []
        self.opcode = opcode
        if sock is None or client is None:
            sock, client = socket.socketpair()
        self.client = client
        self.client.setblocking(False)
        self.stream = WebSocketStream(
            self.loop,
            sock,
            opcode=self.opcode,
            is_relayed=False,
            on_data=self._on_data,
            on_end=lambda: self.received.append("end"),
            on_closed=lambda reason: self.received.append(f"closed: {reason}"),
            serve_later=Backlog(self.loop).add,
            max_unsent_bytes=100_000,
        )

    def _on_data(self, data: bytes) -> None:
        self.received.append(data)
        self.now += self.work_s

    def turn(self, times: int = 3) -> None:
        self.loop.defer(lambda: None)  # so that a turn does not wait
        for _ in range(times):
            self.loop.turn()
            self.loop.defer(lambda: None)

    def send(self, data: bytes) -> list[bytes | str]:
        """What arrives of bytes of the client."""
        self.received.clear()
        self.client.sendall(data)
        self.turn()
        return list(self.received)

    def sent(self) -> bytes:
        """What the client gets."""
        self.turn()
        return self.client.recv(100_000)

    def close(self) -> None:
        self.stream.close("end of the test")
        self.client.close()
        self.loop.close()


@pytest.fixture
def setting() -> Iterator[Setting]:
    setting = Setting()
    yield setting
    setting.close()


def test_messages_become_lines(setting: Setting) -> None:
    assert setting.send(text("NICK a") + text("USER a 0 * :a\r\n")) == [b"NICK a\nUSER a 0 * :a\n"]
    assert setting.send(text("") + text("\r\n")) == []
    assert setting.send(frame(2, b"\xff")) == [b"\xff\n"]


def test_lines_become_messages_of_the_type_of_the_subprotocol(setting: Setting) -> None:
    setting.stream.write_response(b"HTTP/1.1 101\r\n\r\n")
    setting.stream.write(b"PING :a\r\n:b QUIT\r\n")
    assert setting.sent() == b"HTTP/1.1 101\r\n\r\n\x81\x07PING :a\x81\x07:b QUIT"
    setting.stream.send(b"x\r\n")
    assert setting.sent() == b"\x81\x01x"


def test_binary_messages() -> None:
    setting = Setting(Opcode.BINARY)
    setting.stream.write("é\r\n".encode())
    assert setting.sent() == b"\x82\x02" + "é".encode()
    setting.close()


def test_a_ping_is_answered(setting: Setting) -> None:
    assert setting.send(frame(9, b"beat")) == []
    assert setting.sent() == b"\x8a\x04beat"


def test_pings_keep_the_connection_alive(setting: Setting) -> None:
    setting.stream.keep_alive()
    setting.now += KEEP_ALIVE_S
    setting.turn()
    for _ in range(3):
        setting.stream.keep_alive()
    assert setting.sent() == b"\x89\x00"
    assert setting.send(frame(PONG)) == []
    for _ in range(3):  # nothing is needed in a period with lines
        setting.stream.write(b"line\r\n")
        assert setting.sent() == b"\x81\x04line"
        setting.now += KEEP_ALIVE_S
        setting.turn()
        setting.stream.keep_alive()


def test_a_flood_of_control_frames_ends_the_connection(setting: Setting) -> None:
    assert setting.send(frame(9) * 32) == []
    assert setting.sent() == b"\x8a\x00" * 32
    reason = "WebSocket: too many control frames"
    setting.send(frame(PONG))
    assert setting.sent() == format_close(CloseCode.POLICY_VIOLATION, reason)
    assert setting.received == [f"closed: {reason}"]


def test_the_rest_of_a_flood_of_control_frames_is_not_read(setting: Setting) -> None:
    setting.client.sendall(frame(9) * 1000 + text("x"))
    setting.turn()
    assert setting.received == ["closed: WebSocket: too many control frames"]
    assert setting.stream.held_bytes == 0


def test_many_frames_are_handled_in_slices(setting: Setting) -> None:
    setting.work_s = 1.0
    setting.client.sendall(text("x") * 100)
    setting.loop.turn()
    assert setting.received == [b"x\n" * 16] * 2  # when they came, and one slice
    setting.loop.turn()
    assert setting.received == [b"x\n" * 16] * 3
    setting.turn(6)
    assert b"".join(map(bytes, setting.received)) == b"x\n" * 100  # type: ignore[arg-type]
    assert setting.send(text("y")) == [b"y\n"]


def test_a_pause_holds_back_the_frames_that_were_read(setting: Setting) -> None:
    setting.work_s = 1.0
    setting.client.sendall(text("x") * 40)
    setting.loop.turn()
    setting.stream.pause()
    setting.turn()
    assert setting.received == [b"x\n" * 16] * 2
    setting.stream.resume()
    setting.turn()
    assert setting.received == [*[b"x\n" * 16] * 2, b"x\n" * 8]


def test_the_end_of_file_comes_after_the_frames(setting: Setting) -> None:
    setting.client.sendall(text("x") * 20)
    setting.client.shutdown(socket.SHUT_WR)
    setting.turn(6)
    assert setting.received == [b"x\n" * 16, b"x\n" * 4, "end"]


def test_a_close_is_an_end_and_is_answered(setting: Setting) -> None:
    assert setting.send(text("QUIT") + frame(8, b"\x03\xe8")) == [b"QUIT\n", "end"]
    setting.stream.finish("bye")
    assert setting.sent() == format_close(CloseCode.NORMAL, "bye")
    assert setting.client.recv(1) == b""
    assert setting.received[-1] == "closed: bye"


def test_a_fault_ends_the_connection_with_its_code(setting: Setting) -> None:
    setting.send(text("before") + frame(1, b"\xff"))
    sent = setting.sent()
    assert sent[:4] == bytes([0x88, len(sent) - 2]) + CloseCode.INVALID_DATA.to_bytes(2, "big")
    assert setting.received[0] == b"before\n"
    assert str(setting.received[1]).startswith("closed: WebSocket: ")


def test_nothing_follows_a_close_frame(setting: Setting) -> None:
    setting.stream.close_code = CloseCode.GOING_AWAY
    setting.stream.finish("a")
    setting.stream.finish("b")
    setting.stream.write(b"late\r\n")
    assert setting.sent() == format_close(CloseCode.GOING_AWAY, "a")


def test_a_stream_continues_in_another_process(setting: Setting) -> None:
    half = text("a line in two halves")
    assert setting.send(text("x") + half[:9]) == [b"x\n"]
    setting.stream.stream.write(b"unsent")
    state, reader = setting.stream.state(), READER.save(setting.stream.reader)
    other = Setting(sock=setting.stream.sock.dup(), client=setting.client)
    READER.load_into(other.stream.reader, reader)
    other.stream.restore(state)
    assert other.send(half[9:]) == [b"a line in two halves\n"]
    assert b"unsent" in other.sent()
    other.close()

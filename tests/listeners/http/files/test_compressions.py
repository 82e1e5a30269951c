"""Large texts are compressed in slices, and the results are kept."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from netd.listeners.http.files.compressions import (
    Compressions,
    available_codings,
    make_compressor,
)
from netd.listeners.http.protocol.response import DeferredResponse, FileStamp, Response
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller

TEXT = b"".join(b"%d bottles of beer on the wall\n" % number for number in range(10_000))


class Setting:
    """Compressions of a file, on a loop."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(TEXT)
        self.path = path
        self.loop = Loop(EpollPoller())
        self.sent: list[Response] = []
        self.compressions = Compressions(self.loop, capacity=200_000)

    def request(self, name: str = "a", *, may_keep: bool = True) -> Response | DeferredResponse:
        """Request the file under this name; a response that takes time is added to `sent`."""
        fd = os.open(self.path, os.O_RDONLY)
        stamp = FileStamp(name, (1,))
        response = self.compressions.respond(fd, stamp, "gzip", may_keep=may_keep)
        os.close(fd)
        if isinstance(response, DeferredResponse):
            response.start(self.sent.append)
        return response

    def await_sent(self, count: int) -> None:
        while len(self.sent) < count:
            self.loop.turn()


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    made = Setting(tmp_path / "file")
    yield made
    made.loop.close()


def test_all_clients_get_one_result_which_is_kept(setting: Setting) -> None:
    for _ in range(3):
        setting.request()
    setting.await_sent(3)
    assert len({id(response) for response in setting.sent}) == 1
    [content] = setting.sent[0].content
    assert isinstance(content, bytes)
    assert gzip.decompress(content) == TEXT
    assert setting.request() is setting.sent[0]


def test_a_file_that_was_changed_just_now_is_not_kept(setting: Setting) -> None:
    setting.request(may_keep=False)
    setting.await_sent(1)
    assert isinstance(setting.request(), DeferredResponse)
    setting.await_sent(2)


def test_what_is_kept_is_bounded(setting: Setting) -> None:
    for number in range(20):
        setting.request(str(number))
        setting.await_sent(number + 1)
    kept = 200_000 // setting.sent[0].length
    assert 1 < kept < 19
    assert isinstance(setting.request("19"), Response)
    assert isinstance(setting.request(str(20 - kept)), Response)
    assert isinstance(setting.request(str(19 - kept)), DeferredResponse)
    setting.await_sent(21)


def test_files_under_way_are_bounded(setting: Setting) -> None:
    for number in range(8):
        setting.request(str(number))
    assert setting.compressions.has_room_for(FileStamp("7", (1,)), "gzip")
    assert not setting.compressions.has_room_for(FileStamp("8", (1,)), "gzip")
    setting.await_sent(8)
    assert setting.compressions.has_room_for(FileStamp("8", (1,)), "gzip")


def test_zstd_is_preferred_where_python_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class ZstdCompressor:
        def compress(self, data: bytes) -> bytes:
            return data.upper()

        def flush(self) -> bytes:
            return b"."

    module = ModuleType("compression.zstd")
    module.ZstdCompressor = ZstdCompressor  # type: ignore[attr-defined] # as in Python 3.14
    monkeypatch.setitem(sys.modules, "compression.zstd", module)
    available_codings.cache_clear()
    assert available_codings() == ("zstd", "gzip")
    compressor = make_compressor("zstd")
    assert compressor.compress(b"text") + compressor.flush() == b"TEXT."
    available_codings.cache_clear()

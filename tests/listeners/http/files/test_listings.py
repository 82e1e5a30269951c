"""Large listings are made in slices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from netd.listeners.http.files.directory_listing import Place
from netd.listeners.http.files.listing_query import parse_listing_query
from netd.listeners.http.files.listings import Listings, _Kept
from netd.listeners.http.protocol.response import DeferredResponse, Response
from netd.runtime.loop import Loop
from netd.runtime.poller import READ, EpollPoller
from tests.listeners.http.http_client import Start, ask


class Setting:
    """Listings on a loop, and the responses that they sent."""

    def __init__(self, directory: Path) -> None:
        self.loop = Loop(EpollPoller())
        self.listings = Listings(self.loop)
        self.directory = directory
        self.sent: list[Response] = []

    def request(self, path: str = "/", query: bytes = b"") -> Response | DeferredResponse:
        """Request a listing; one that takes time is added to `sent`."""
        fd = os.open(self.directory, os.O_RDONLY)
        try:
            response = self.listings.respond(
                fd, Place(path, ""), parse_listing_query(query), dotfiles=False, limit=10000
            )
        finally:
            os.close(fd)
        if isinstance(response, DeferredResponse):
            response.start(self.sent.append)
        return response

    def await_sent(self, count: int) -> int:
        """Turn the loop until as many responses were sent; returns the number of turns."""
        turns = 0
        while len(self.sent) < count:
            self.loop.turn()
            turns += 1
        return turns


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    directory = tmp_path / "large"
    directory.mkdir()
    for number in range(1000):
        (directory / f"{number:04}").touch()
    os.utime(directory, (1e9, 1e9))  # a listing of a directory that was just changed is not kept
    setting = Setting(directory)
    yield setting
    setting.loop.close()


def test_a_small_listing_is_made_at_once(setting: Setting, tmp_path: Path) -> None:
    setting.directory = tmp_path
    assert isinstance(setting.request(), Response)


def test_a_large_listing_lets_others_be_served_between_its_slices(setting: Setting) -> None:
    assert isinstance(setting.request(), DeferredResponse)
    served = 0

    def serve(_mask: int) -> None:
        nonlocal served
        served += 1

    wakeup = os.eventfd(1)  # always readable, as a busy client
    setting.loop.watch(wakeup, READ, serve)
    assert setting.await_sent(1) == served
    setting.loop.unwatch(wakeup)
    os.close(wakeup)
    assert served >= 5
    [page] = setting.sent[0].content
    assert isinstance(page, bytes)
    assert page.count(b"<tr><td><a ") == 1000


def test_all_clients_that_wait_and_the_next_one_get_one_listing(setting: Setting) -> None:
    for _ in range(20):
        setting.request()
    setting.await_sent(20)
    assert len({id(response) for response in setting.sent}) == 1
    assert setting.request() is setting.sent[0]
    view = setting.request(query=b"filter=0500")  # of the entries that were read
    assert isinstance(view, Response)
    assert setting.request(query=b"filter=0500") is view
    (setting.directory / "0000").unlink()
    setting.request()
    setting.await_sent(21)
    assert setting.sent[-1].length < setting.sent[0].length


def test_what_is_kept_is_bounded_and_goes_after_a_second(setting: Setting) -> None:
    kept: _Kept[str] = _Kept(setting.loop, capacity=10)
    kept.keep("a", "one", 6)
    kept.keep("b", "two", 5)
    assert (kept.get("a"), kept.get("b")) == ("one", None)
    while kept.get("a"):
        setting.loop.turn()
    kept.keep("b", "two", 10)
    assert kept.get("b") == "two"


def test_listings_under_way_are_bounded_and_leave_no_descriptor(setting: Setting) -> None:
    before = len(os.listdir("/proc/self/fd"))
    responses = [setting.request(f"/{number}/") for number in range(10)]
    assert [r.status for r in responses if isinstance(r, Response)] == [503, 503]
    setting.await_sent(8)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_large_listing_is_served(start: Start, tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number:04}").touch()
    worker = start({"path": "/", "directory": str(tmp_path), "listing": True})
    for _ in range(2):
        assert ask(worker, "/").body.count(b"<tr><td><a ") == 1000
    assert ask(worker, "/", method="HEAD").status == 200

from __future__ import annotations

import logging

import pytest

from netd.listeners.full_notice import FullNotice
from tests.supervisor.simulation import Simulation


def test_being_full_is_logged_once_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "netd")
    simulation = Simulation()
    notice = FullNotice(simulation.loop)
    for _ in range(100):
        notice.note("2 connections are open")
        simulation.advance(5)
    assert caplog.messages == ["full: 2 connections are open"]
    simulation.advance(20)
    assert caplog.messages[1:] == ["no longer full; there was no room for 100 connections"]
    notice.note("2 connections are open")
    assert len(caplog.messages) == 3
    simulation.close()

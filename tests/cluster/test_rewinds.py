"""Hosts and their clients after the engine has lost its last entries."""

from __future__ import annotations

import pytest

from tests.cluster.believer import Believer
from tests.cluster.simulation import Simulation


@pytest.fixture
def simulation() -> Simulation:
    """Three hosts, each with two clients (m0 and m3 are on the first one) in #a and #b."""
    return Simulation()


def _only(simulation: Simulation, name: str) -> Believer:
    return next(believer for believer in simulation.all if believer.name == name)


def _restore_channel(simulation: Simulation) -> None:
    """Let #a end while the second host is removed, and come back with that host."""
    simulation.engine.remove(simulation.nodes[1].name)
    simulation.turn()
    for name in ("m0", "m2", "m3", "m5"):
        _only(simulation, name).send("PART #a")
    simulation.heal()


def test_a_client_that_left_on_its_way_back_is_let_in_as_it_was_then(
    simulation: Simulation,
) -> None:
    one, m0 = simulation.nodes[0], _only(simulation, "m0")
    _only(simulation, "m4").send("PRIVMSG #a :hello")
    simulation.turn()
    simulation.engine.remove("two")
    simulation.turn()
    m0.send("NICK m4")
    simulation.turn()
    simulation.rewind(2)  # the other m4 has that nick
    one.connect()
    one.read()
    one.leave(m0.client)
    one.be_drifted()
    simulation.heal()
    simulation.check()


def test_a_restored_channel_that_no_member_may_enter_ends_after_some_time(
    simulation: Simulation,
) -> None:
    two = simulation.nodes[1]
    _only(simulation, "m0").send("MODE #a +b *!*@*")
    simulation.turn()
    _restore_channel(simulation)
    for node in simulation.nodes:
        assert not node.room.state.channels["#a"].members
    two.keep_snapshot(0)
    simulation.nodes[2].be_drifted()
    simulation.heal()
    simulation.check()
    simulation.engine.now += 60
    _only(simulation, "m0").send("PRIVMSG #b :hello")
    simulation.heal()
    simulation.check()
    assert "#a" not in two.room.state.channels


def test_a_restored_channel_with_members_ends_with_the_last_one(simulation: Simulation) -> None:
    two = simulation.nodes[1]
    _restore_channel(simulation)
    for name in ("m1", "m4"):
        _only(simulation, name).send("PART #a")
    simulation.heal()
    simulation.check()
    assert "#a" not in two.room.state.channels


def test_a_lost_message_that_comes_back_with_its_channel_is_not_sent_again(
    simulation: Simulation,
) -> None:
    one, two, _ = simulation.nodes
    m1 = _only(simulation, "m1")
    _only(simulation, "m0").send("PRIVMSG #a :lost")
    simulation.turn()
    simulation.rewind(1)
    two.connect()
    simulation.rewind(2)  # that the host has joined again
    two.connect()
    two.read()  # m1 is in the room, which has not got that message
    simulation.rewind(3)  # no client has entered #a
    one.connect()
    one.read()
    one.flush()
    simulation.heal()
    simulation.check()
    assert [text for _, text in m1.messages.values()] == ["lost"]
    assert not m1.doubled
    assert one.room.state.channels["#a"].history.entries


def test_a_line_that_is_in_the_log_is_not_put_into_it_again_by_a_host_that_was_removed_twice(
    simulation: Simulation,
) -> None:
    two = simulation.nodes[1]
    _only(simulation, "m1").send("PRIVMSG #a :once")
    two.flush()
    for _ in range(2):
        simulation.engine.remove(two.name)
        two.renew()
        two.connect()  # and the log is not read
    simulation.heal()
    simulation.check()
    texts = [text for _, text in _only(simulation, "m0").messages.values()]
    assert texts == ["once"]


def test_a_line_that_was_lost_before_its_host_has_read_it_is_put_into_the_log_again(
    simulation: Simulation,
) -> None:
    one = simulation.nodes[0]
    _only(simulation, "m0").send("PRIVMSG #a :kept")
    one.flush()
    one.cut()
    one.connect()  # the log has the line
    simulation.rewind(1)
    simulation.heal()
    simulation.check()
    assert [text for _, text in _only(simulation, "m1").messages.values()] == ["kept"]


def test_a_line_that_is_in_the_snapshot_alone_is_not_put_into_the_log_again(
    simulation: Simulation,
) -> None:
    one, two, _ = simulation.nodes
    _only(simulation, "m1").send("PRIVMSG #a :once")
    two.flush()
    two.cut()
    simulation.engine.remove(two.name)
    one.read()
    one.keep_snapshot(0)  # the log has no earlier entries
    simulation.heal()
    simulation.check()
    texts = [text for _, text in _only(simulation, "m0").messages.values()]
    assert texts == ["once"]

"""Makes the place of a room of several hosts from the options of a listener."""

from __future__ import annotations

import os

from netd.listeners.chat.cluster.credentials import read_credentials
from netd.listeners.chat.cluster.engine_address import parse_engine
from netd.listeners.chat.cluster.engine_contract import EngineSettings
from netd.listeners.chat.cluster.engine_state import RoomPlace
from netd.listeners.chat.cluster.node_name import node_name
from netd.listeners.chat.cluster.options import ClusterOptions


def place_of(options: ClusterOptions) -> RoomPlace:
    """The place of the room of a listener with these options."""
    return RoomPlace(
        tuple(options.engine),
        options.name,
        options.sentinel,
        options.password_file,
        options.ca_file,
    )


def options_of(place: RoomPlace) -> ClusterOptions:
    """Options of a listener whose room is at a place."""
    return ClusterOptions(
        engine=place.engine,
        name=place.name,
        sentinel=place.sentinel,
        password_file=place.password_file,
        ca_file=place.ca_file,
    )


def engine_settings(options: ClusterOptions, worker: int) -> EngineSettings:
    """The settings of a worker's engine. Raises ConfigError if a file cannot be used."""
    return EngineSettings(
        tuple(map(parse_engine, options.engine)),
        read_credentials(options),
        options.name,
        node_name(options.node or os.uname().nodename, worker),
        options.sentinel,
        time_to_live_s=options.deadline,
        renew_s=options.deadline / 3,
    )

"""Every attribute of an object that a handover saves is saved, or is transient for a reason."""

from __future__ import annotations

import dataclasses

import pytest

from netd.listeners.http.connection.connection import Connection
from netd.listeners.http.connection.connection_state import SavedConnection
from netd.listeners.http.connection.exchange import Exchange, SavedExchange
from netd.listeners.http.connection.send_queue import SavedFilePart, SendQueue
from netd.listeners.http.handover import SavedService
from netd.listeners.http.protocol.chunked import ChunkedReader, SavedChunks
from netd.listeners.http.protocol.request_reader import RequestReader, SavedReader
from netd.listeners.http.protocol.response import FilePart
from netd.listeners.http.response.access_log import AccessLog
from netd.listeners.http.response.responder import Responder
from netd.listeners.http.routes.worker_context import WorkerContext
from netd.listeners.http.service import HttpService
from netd.listeners.proxy_headers import (
    ProxyHeaderReader,
    SavedProxied,
    _Waiting,
)
from tests.listeners.http.succession import Succession

# Attributes that are saved in a field of another name.
RENAMED = {
    (Connection, "_fd"): "descriptor",
    (Connection, "_send_queue"): "unsent",
    (Exchange, "_request"): "key",  # the rest is parsed again from the head in the reader
    (FilePart, "fd"): "descriptor",
    (ChunkedReader, "_remaining"): "taken",
    (HttpService, "_connections"): "connections",
    (HttpService, "_proxy_headers"): "proxied",
    (HttpService, "responder"): "log_entries",
}

SAVED: dict[type, type | None] = {
    HttpService: SavedService,
    Connection: SavedConnection,
    Exchange: SavedExchange,
    RequestReader: SavedReader,
    ChunkedReader: SavedChunks,
    FilePart: SavedFilePart,
    _Waiting: SavedProxied,
    # Saved by those that own them:
    SendQueue: None,
    ProxyHeaderReader: None,
    AccessLog: None,
    Responder: None,
    WorkerContext: None,
}

_OWN = "the next process has its own"
_COUNTER = "a total; the supervisor adds those of all workers"
_CALL = "a function of another object here"

TRANSIENT: dict[type, dict[str, str]] = {
    HttpService: {
        "loop": _OWN,
        "_tls": "made from the options; a TLS connection cannot be passed on",
        "_proxies": "an option",
        "_context": "see WorkerContext",
        "_sweep": "a timer of the present options",
        "_preparation": "over when the state is saved",
        "_table": "has the descriptors of the state",
        "_handoffs": "has the queues of the supervisor",
    },
    WorkerContext: {
        "daemon": "requests of the status are made again",
        "verifier": "checks are made again; delays of guessing clients and known logins end",
        "listings": "made again from the files",
        "compressions": "made again from the files",
        "call_hook": "requests of scripts are made again, with the same key",
        "denials": _COUNTER,
        "clock": _OWN,
        "refusal_log": _OWN,
    },
    Responder: {
        "_context": "see WorkerContext",
        "_is_closing": "a worker that takes over does not drain",
        "closes_idle": "a worker that takes over does not drain",
        **dict.fromkeys(("requests", "cache_hits", "refusals", "timeouts", "truncated"), _COUNTER),
        **dict.fromkeys(("handshake_failures", "bytes_in", "bytes_out"), _COUNTER),
        "statistics": _COUNTER,
        "time": _OWN,
        "_refusal_log": "see WorkerContext",
        "access_log": "see AccessLog",
        "_lost_before": _COUNTER,
        "options": "those of the next process may differ",
        "router": "made from the options",
        "limits": "made from the options",
        "_common": "made from the options",
        "cache": "a cache: filled again by the next requests",
        "_entries": "those of the cache",
        "_second": "the present time",
        "_date_line": "the present time",
    },
    AccessLog: {
        "_writer": "has written all lines when the state is saved",
        "_entries": "saved by the service, as log_entries",
        "_is_held": "true when the state is saved",
        "_lost_before": _COUNTER,
        "_failure": "reported again if the next process fails, too",
        "_format": "an option",
        "_trusted": "an option",
    },
    Connection: {
        "_owner": _OWN,
        "_loop": _OWN,
        "_responder": _OWN,
        "_transport": "made for the descriptor",
        "_recv": "a method of the transport",
        "_send": "a method of the transport",
        "_waits_for_slice": "saved as the state: the next process continues when it may send",
        "_watched": "follows from the state",
    },
    Exchange: {
        "_responder": _OWN,
        "_host": "that of the connection",
        "began_s": "the next process measures how long its own part takes",
        "_queue": _CALL,
        "_on_response": _CALL,
        "_handoff_fields": "as `handoff`",
        "_uncached": "spares one look-up in the cache",
        "responses": "compared only within a call",
        "handoff": "saved as a response that is being made, so it is made again",
    },
    RequestReader: {
        "_limits": "those of the next process may differ",
        "_scanned": "spares reading an incomplete head again",
    },
    ChunkedReader: {"_limits": "those of the next process may differ"},
    FilePart: {},
    SendQueue: {
        "_transport": "that of the connection",
        "_parts": "saved by the connection, as unsent",
        "unsent_bytes": "the sum of the parts",
        "_unreceived": "the next process begins to measure",
        "sent_bytes": "compared only within a call",
    },
    ProxyHeaderReader: {
        "_loop": _OWN,
        "_on_header": _CALL,
        "_on_failure": _CALL,
        "_waiting": "saved by the service, as proxied",
        "failures": _COUNTER,
    },
    _Waiting: {},
}


def attributes(value: object) -> set[str]:
    slots = [slot for base in type(value).__mro__ for slot in getattr(base, "__slots__", ())]
    return {*slots, *getattr(value, "__dict__", {})}


@pytest.fixture
def samples(tmp_path: object) -> dict[type, object]:
    """An object of each class."""
    succession = Succession(access_log=f"{tmp_path}/log")
    service = succession.service
    client = succession.connect()
    request = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na"
    client.send(request)
    succession.turn_until(lambda: succession.figures()["bytes_in"] == len(request))
    [connection] = service._connections
    assert isinstance(connection, Connection)
    exchange = connection._exchange
    assert exchange is not None
    reader = exchange._reader
    found = [
        *(service, connection, exchange, reader, reader._chunked, service.responder),
        *(service._context, service._proxy_headers, service.responder.access_log),
        *(FilePart(0, 0, 0), SendQueue(connection._transport), _Waiting("", 0.0)),
    ]
    succession.close()
    return {type(value): value for value in found}


@pytest.mark.parametrize("saved_class", SAVED, ids=lambda saved_class: saved_class.__name__)
def test_every_attribute_is_saved_or_transient(
    samples: dict[type, object], saved_class: type
) -> None:
    record = SAVED[saved_class]
    fields = {field.name for field in dataclasses.fields(record)} if record else set()
    transient = TRANSIENT[saved_class]
    found = attributes(samples[saved_class])
    saved = {
        RENAMED.get((saved_class, name), name.lstrip("_")) for name in found - transient.keys()
    }
    if saved_class is _Waiting:
        saved |= {"descriptor"}  # the key in the reader's dictionary
    assert saved == fields
    assert not transient.keys() - found
    assert all(transient.values())


def test_the_samples_are_what_the_tables_name(samples: dict[type, object]) -> None:
    assert samples.keys() == SAVED.keys() == TRANSIENT.keys()

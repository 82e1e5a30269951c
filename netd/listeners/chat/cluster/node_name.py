"""The names of nodes. A host can have several, one for each worker of its listener.

The first worker's node has the name of the host; the others have a number beside it.
"""

from __future__ import annotations

from typing import Final

_PLUS: Final = "+"  # in no name of a host
MAX_WORKERS: Final = 64
"""The most workers of a listener."""


def node_name(host: str, worker: int) -> str:
    """The name of the node of a host's worker, whose number counts from 0."""
    return f"{host}{_PLUS}{worker + 1}" if worker else host


def host_of(node: str) -> str:
    """The host of a node."""
    return node.partition(_PLUS)[0]


def worker_of(node: str) -> int:
    """The number of a node's worker."""
    return int(node.partition(_PLUS)[2] or "1") - 1


def node_of(key: str) -> str:
    """The node of a client, by the client's key."""
    return key.rpartition("/")[0]


def number_of(key: str) -> int:
    """The number of a client, by its key. The workers of a host never use the same one."""
    return int(key.rpartition("/")[2])


def number_after(number: int, worker: int) -> int:
    """The next number that a worker uses."""
    return (number // MAX_WORKERS + 1) * MAX_WORKERS + worker

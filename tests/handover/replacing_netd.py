"""`netd`, except that a reload replaces the workers of each listener whose options change.

As shipped, few keys need a new worker. Tests of handovers between workers need more of them:
`python -m tests.handover.replacing_netd run --config netd.toml`.
"""

from __future__ import annotations

import dataclasses
from unittest import mock

from netd.__main__ import main
from netd.config.model import ListenerOptions


def all_fields(options: type[ListenerOptions]) -> tuple[str, ...]:
    """The names of all options of a kind."""
    return tuple(field.name for field in dataclasses.fields(options))


if __name__ == "__main__":
    mock.patch("netd.supervisor.plan.fields_for_new_workers", all_fields).start()
    main()

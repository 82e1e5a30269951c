from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from netd.config.address import Address
from netd.config.annotations import NeedsNewWorker
from netd.config.model import Config, DaemonOptions, ListenerOptions
from netd.supervisor.plan import Plan, diff


@dataclass(frozen=True, kw_only=True)
class Echo(ListenerOptions):
    tag: bool = False
    concurrency: Annotated[str, NeedsNewWorker()] = "fork"


@dataclass(frozen=True, kw_only=True)
class Chat(ListenerOptions):
    channel: str = "#lounge"


def config(**listeners: ListenerOptions) -> Config:
    return Config(netd=DaemonOptions(), listeners=dict(listeners))


def echo(**options: Any) -> Echo:
    return Echo(kind="echo", address=(Address.parse("tcp://127.0.0.1:7007"),), **options)


def chat() -> Chat:
    return Chat(kind="chat", address=(Address.parse("tcp://127.0.0.1:7007"),))


def test_nothing_changed() -> None:
    assert diff(config(a=echo()), config(a=echo())) == Plan(unchanged=("a",))


def test_added_and_removed() -> None:
    plan = diff(config(a=echo(), b=echo()), config(b=echo(), c=echo()))
    assert plan == Plan(added=("c",), removed=("a",), unchanged=("b",))


def test_a_live_field_reconfigures() -> None:
    assert diff(config(a=echo()), config(a=echo(tag=True))) == Plan(reconfigured=("a",))


def test_a_new_address_reconfigures() -> None:
    moved = Echo(kind="echo", address=(Address.parse("tcp://127.0.0.1:7008"),))
    assert diff(config(a=echo()), config(a=moved)) == Plan(reconfigured=("a",))


def test_a_field_that_needs_a_new_worker_replaces() -> None:
    changed = echo(tag=True, concurrency="thread")
    assert diff(config(a=echo()), config(a=changed)) == Plan(replaced=("a",))


def test_fewer_workers_replace_so_that_no_client_of_a_surplus_worker_is_lost() -> None:
    assert diff(config(a=echo(workers=3)), config(a=echo(workers=2))) == Plan(replaced=("a",))
    assert diff(config(a=echo(workers=2)), config(a=echo(workers=3))) == Plan(reconfigured=("a",))


def test_another_kind_replaces() -> None:
    assert diff(config(a=echo()), config(a=chat())) == Plan(replaced=("a",))


def test_the_text_of_a_plan_lists_its_changes() -> None:
    plan = Plan(added=("a",), removed=("b", "c"), replaced=("d",), reconfigured=("e",))
    assert str(plan) == "added a; removed b, c; replaced d; reconfigured e"
    assert str(Plan(unchanged=("a",))) == "nothing changed"

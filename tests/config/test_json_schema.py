from __future__ import annotations

import tomllib

import jsonschema
import pytest

from netd.config.annotations import Table
from netd.config.document import default_text
from netd.config.json_schema import json_schema
from netd.config.model import DaemonOptions
from netd.config.schema import fields_of
from netd.config.values import describe, tables_in
from netd.listeners.kinds import KINDS

SCHEMA = jsonschema.Draft202012Validator(json_schema(KINDS))


def test_the_schema_distinguishes_the_kinds() -> None:
    schema = json_schema(KINDS)
    assert schema["$schema"].endswith("2020-12/schema")
    kinds = {
        definition["properties"]["kind"]["const"]
        for definition in schema["$defs"].values()
        if "const" in definition.get("properties", {}).get("kind", {})
    }
    assert kinds == set(KINDS)
    assert (
        schema["$defs"]["TlsOptions"]["properties"]["certificate"]["description"].count("\n") == 0
    )


def test_the_schema_accepts_the_default_text() -> None:
    SCHEMA.check_schema(SCHEMA.schema)
    SCHEMA.validate(tomllib.loads(default_text(KINDS)))


def test_the_schema_accepts_a_single_item_without_brackets() -> None:
    schema = json_schema(KINDS)["$defs"]
    outer: list[type[Table]] = [DaemonOptions, *(kind.options for kind in KINDS.values())]
    tables = [table for options in outer for table in (options, *inner_tables(options))]
    lists = [
        (table.__name__, field)
        for table in tables
        for field, info in fields_of(table).items()
        if " or list of " in describe(info)
    ]
    assert ("HttpOptions", "address") in lists
    for name, field in lists:
        one, many = schema[name]["properties"][field]["anyOf"]
        is_table = "$ref" in one
        assert is_table or one["type"] == "string"
        assert many["type"] == "array"


def inner_tables(options: type[Table]) -> list[type[Table]]:
    found = []
    for info in fields_of(options).values():
        for table in tables_in(info.annotation):
            found += [table, *inner_tables(table)]
    return found


@pytest.mark.parametrize(
    "line",
    [
        "worker = 2",
        'workers = "two"',
        "workers = 65",
        'address = "localhost:80"',
        'kind = "htpp"',
        'access_log_format = "xml"',
        "allow = 10",
        'keepalive_timeout = "10 seconds"',
        "keepalive_timeout = -1",
        'max_body = "64 kb"',
        'tls = { certificat = "x" }',
        "routes = [{ pth = '/' }]",
    ],
)
def test_the_schema_refuses_a_fault(line: str) -> None:
    good = {"kind": "http", "address": "tcp://[::]:80"}
    SCHEMA.validate({"listeners": {"web": good}})
    SCHEMA.validate({"listeners": {"web": {**good, "send_timeout": "1.5 m", "max_body": "64KiB"}}})
    faulty = {"listeners": {"web": {**good, **tomllib.loads(line)}}}
    assert not SCHEMA.is_valid(faulty)

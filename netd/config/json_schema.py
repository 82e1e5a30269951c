"""The configuration file's JSON Schema, for editors that complete and check it."""

from __future__ import annotations

import inspect
from dataclasses import field, make_dataclass
from typing import Any, Union

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python
from pydantic_core.core_schema import DataclassSchema

from netd.config.annotations import OneOrMany, Table
from netd.config.load import Kinds
from netd.config.model import Config, DaemonOptions, ListenerOptions
from netd.config.schema import docstrings_of, fields_of


def json_schema(kinds: Kinds) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12); a listener's `kind` selects the schema of its table."""
    listener: Any = Union[tuple(kind.options for kind in kinds.values())]  # noqa: UP007 (of types known only now)
    document = make_dataclass(
        "Configuration",
        [
            ("include", OneOrMany[str], field(default=())),
            ("netd", DaemonOptions, field(default=DaemonOptions())),
            ("listeners", dict[str, listener]),
        ],
        kw_only=True,
        namespace={
            "__doc__": inspect.getdoc(Config),
            "__pydantic_config__": Table.__pydantic_config__,
        },
    )
    schema = TypeAdapter(document).json_schema(schema_generator=_Generator)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


class _Generator(GenerateJsonSchema):
    def dataclass_schema(self, schema: DataclassSchema) -> dict[str, Any]:
        """A table's schema with the docstrings of its keys, without line breaks."""
        definition = super().dataclass_schema(schema)
        options, properties = schema["cls"], definition["properties"]
        definition["description"] = " ".join((inspect.getdoc(options) or "").split())
        if issubclass(options, Table):
            docstrings = docstrings_of(options)
            for name in fields_of(options):
                properties[name]["description"] = docstrings.get(name, "")
        if issubclass(options, ListenerOptions):
            properties["kind"] = {"const": properties["kind"]["const"]}
            definition["required"].append("kind")
        return definition

    def encode_default(self, dft: object) -> object:
        """A default as JSON; not every pydantic can write a network."""
        return to_jsonable_python(dft, fallback=str)

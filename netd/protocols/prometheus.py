"""Labels in the text format of Prometheus, version 0.0.4."""

from __future__ import annotations

from collections.abc import Mapping


def format_labels(labels: Mapping[str, str]) -> str:
    """The labels of a sample, with their braces; empty if there are none."""
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

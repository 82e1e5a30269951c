"""The text format of Prometheus, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def format_family(
    name: str, kind: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]
) -> str:
    """A metric with its samples, by their labels; empty if there are none."""
    lines = [format_sample(name, labels, value) for labels, value in samples]
    return "".join((format_heading(name, kind, text), *lines)) if lines else ""


def format_heading(name: str, kind: str, text: str) -> str:
    """The lines that describe a metric."""
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def format_sample(name: str, labels: Mapping[str, str], value: float) -> str:
    """The line of one sample."""
    return f"{name}{_format_labels(labels)} {float(value)!r}\n"


def _format_labels(labels: Mapping[str, str]) -> str:
    """The labels of a sample, with their braces; empty if there are none."""
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

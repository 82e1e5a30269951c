"""Checks that need this machine's files: directories, pages, certificate, access log."""

from __future__ import annotations

import os
from collections.abc import Iterator

from netd.config.check import why_not_writable
from netd.errors import Problem
from netd.listeners.http.options import STDERR, HttpOptions, RouteOptions


def check(options: HttpOptions) -> tuple[Problem, ...]:
    """Report missing or unreadable directories and pages, and a log that cannot be written."""
    return tuple(_problems(options))


def _problems(options: HttpOptions) -> Iterator[Problem]:
    if options.tls is not None:
        from netd.listeners import certificate  # noqa: PLC0415 (imports OpenSSL)

        yield from certificate.problems(options.tls)
    fault = why_not_writable(options.access_log) if options.access_log not in ("", STDERR) else ""
    if fault:
        yield Problem("access_log", fault)
    for number, route in enumerate(options.routes):
        if route.directory is None:
            continue
        fault = _why_not_readable(route.directory)
        if fault:
            yield Problem(f"routes.{number}.directory", f"{route.directory} {fault}")
            continue
        for key, name in _pages(route):
            if not os.path.isfile(os.path.join(route.directory, name)):
                yield Problem(f"routes.{number}.{key}", f"{route.directory}/{name} is no file")


def _pages(route: RouteOptions) -> Iterator[tuple[str, str]]:
    if route.fallback:
        yield "fallback", route.fallback
    for status, name in route.error_pages.items():
        yield f"error_pages.{status}", name


def _why_not_readable(directory: str) -> str:
    if not os.path.exists(directory):
        return "does not exist"
    if not os.path.isdir(directory):
        return "is not a directory"
    return "" if os.access(directory, os.R_OK | os.X_OK) else "cannot be read"

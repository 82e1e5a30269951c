"""Checks that need the files of this machine: directories, pages, certificate, access log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

from netd.config.file_access import why_no_directory, why_not_readable, why_not_writable
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
        for problem in _route_problems(route):
            yield replace(problem, key=f"routes.{number}.{problem.key}")


def _route_problems(route: RouteOptions) -> Iterator[Problem]:
    if route.directory is not None:
        yield from _directory_problems(route, route.directory)
    if route.chat is not None and find_spec("wsproto") is None:
        yield Problem("chat", "needs the Python package wsproto: `pip install netd-suite[web]`")


def _directory_problems(route: RouteOptions, directory: str) -> Iterator[Problem]:
    fault = why_no_directory(directory)
    if not fault and route.listing and not os.access(directory, os.R_OK):
        fault = f"{directory} cannot be listed: permission denied"
    if fault:
        yield Problem("directory", fault)
        return
    for key, name in _pages(route):
        fault = why_not_readable(os.path.join(directory, name))
        if fault:
            yield Problem(key, fault)


def _pages(route: RouteOptions) -> Iterator[tuple[str, str]]:
    if route.fallback:
        yield "fallback", route.fallback
    for status, name in route.error_pages.items():
        yield f"error_pages.{status}", name

"""Checks that need the files of this machine: directories, pages, certificate, access log."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Final

from netd.config.file_access import why_no_directory, why_not_readable, why_not_writable
from netd.errors import Problem
from netd.listeners.http.options import STDERR, HttpOptions
from netd.listeners.http.route_options import RouteOptions

_USED_BY: Final = {  # the actions that use a key of a route; all use the others
    "content_type": ("text",),
    "redirect_status": ("redirect",),
    "index": ("directory",),
    "listing": ("directory",),
    "listing_limit": ("directory",),
    "dotfiles": ("directory",),
    "fallback": ("directory",),
    "error_pages": ("directory",),
    "media_types": ("directory",),
    "etag": ("directory",),
    "precompressed": ("directory",),
    "gzip": ("directory",),
    "gzip_limit": ("directory",),
    "cache_rules": ("directory",),
    "origins": ("chat", "post"),
    **dict.fromkeys(("channel", "nick", "token"), ("post",)),
    **dict.fromkeys(("post_rate", "post_burst", "post_lines", "post_queue"), ("post",)),
    **dict.fromkeys(("post_streams", "post_only"), ("post",)),
}
_UNUSED: Final = RouteOptions(text="")
"""A route that has the default of each key in `_USED_BY`."""


def check(options: HttpOptions) -> tuple[Problem, ...]:
    """Report what cannot work: missing files, a log that cannot be written, a route given twice.

    A key that a route does not use gives a warning.
    """
    return tuple(_problems(options))


def _problems(options: HttpOptions) -> Iterator[Problem]:
    for number, tls in enumerate(options.tls):
        from netd.listeners import certificate  # noqa: PLC0415 (imports OpenSSL)

        for problem in certificate.problems(tls):
            yield replace(problem, key=problem.key.replace("tls", f"tls.{number}", 1))
    fault = why_not_writable(options.access_log) if options.access_log not in ("", STDERR) else ""
    if fault:
        yield Problem("access_log", fault)
    yield from _same_routes(options.routes)
    for number, route in enumerate(options.routes):
        for problem in (*_route_problems(route), *_unused_keys(route)):
            yield replace(problem, key=f"routes.{number}.{problem.key}")


def _same_routes(routes: Sequence[RouteOptions]) -> Iterator[Problem]:
    """Find routes for the same requests as a route before them."""
    first: dict[tuple[str, str, bool], int] = {}
    for number, route in enumerate(routes):
        for host in route.host or ("",):
            place = (host, route.path, route.is_prefix)
            if place in first:
                shown = f"{host}{route.path}"
                fault = f"{shown} is the path of routes.{first[place]} as well, which responds"
                yield Problem(f"routes.{number}.path", fault)
            first.setdefault(place, number)


def _unused_keys(route: RouteOptions) -> Iterator[Problem]:
    for key, actions in _USED_BY.items():
        is_used = any(getattr(route, action) is not None for action in actions)
        if not is_used and getattr(route, key) != getattr(_UNUSED, key):
            message = f"is ignored; only a route with {' or '.join(actions)} uses it"
            yield Problem(key, message, is_warning=True)


def _route_problems(route: RouteOptions) -> Iterator[Problem]:
    if route.directory is not None:
        yield from _directory_problems(route, route.directory)
    if route.chat is not None and find_spec("wsproto") is None:
        command = f"{sys.executable} -m pip install wsproto"
        yield Problem("chat", f"needs the Python package wsproto; try: {command}")


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

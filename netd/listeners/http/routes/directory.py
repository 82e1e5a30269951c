"""Serving the files below a directory: which file a path means, and what stands in for none."""

from __future__ import annotations

import errno
import logging
import os
import stat
from typing import Final

from netd.listeners.http.options import RouteOptions
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.target import format_path
from netd.listeners.http.response.representation import cache_control, send_file
from netd.listeners.http.response.response import Response, error_answer
from netd.listeners.http.routes.directory_listing import list_directory
from netd.listeners.http.routes.mime import content_type
from netd.listeners.http.routes.openat import open_beneath
from netd.runtime.errnos import TEMPORARY

_ABSENT: Final = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EXDEV, errno.ELOOP),
        *(errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO),
    }
)
_MAX_PAGE_BYTES: Final = 1048576  # of a page for an error

log = logging.getLogger("netd")


class Directory:
    """A route's directory; holds nothing open between requests."""

    methods = frozenset({"GET", "HEAD"})
    takes_body = False

    def __init__(self, options: RouteOptions) -> None:
        assert options.directory is not None
        self._options = options
        self._root = os.path.abspath(options.directory)
        self._prefix = options.path.rstrip("/")

    def answer(self, request: Request, path: str, _body: bytes) -> Response:
        """The file that `path` names below the root, or what stands in for it."""
        below = path[len(self._prefix) :].strip("/")
        hides = self._hides(below)
        answer = error_answer(404) if hides else self._find(request, path, below)
        if answer.status == 404 and self._options.fallback:  # noqa: PLR2004 (not found)
            missing = () if hides else (f"{self._root}/{below}",)
            answer = self._find(request, "", self._options.fallback).while_missing(missing)
        page = self._options.error_pages.get(answer.status)
        return self._with_page(answer, page) if page else answer

    def _hides(self, below: str) -> bool:
        return not self._options.dotfiles and any(
            part.startswith(".") and part != ".well-known" for part in below.split("/")
        )

    def _find(self, request: Request, path: str, below: str) -> Response:
        try:
            return self._open(request, path, below)
        except OSError as error:
            return _refuse(error, f"{self._root}/{below}")
        except UnicodeEncodeError:
            return error_answer(404)  # no name can be that in this locale

    def _open(self, request: Request, path: str, below: str) -> Response:
        fd = open_beneath(self._root, below)
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode) and not path.endswith("/"):
            return send_file(self._options, self._root, below, fd, request)
        try:
            if not stat.S_ISDIR(mode):
                return error_answer(404)
            if not path.endswith("/"):
                return _redirect_into(path, request.query)
            answer = self._open_index(request, below)
            if answer is None and self._options.listing:
                answer = list_directory(fd, path, dotfiles=self._options.dotfiles)
            return answer or error_answer(404)
        finally:
            os.close(fd)

    def _open_index(self, request: Request, below: str) -> Response | None:
        missing: list[str] = []
        for name in self._options.index:
            inside = f"{below}/{name}" if below else name
            try:
                fd = open_beneath(self._root, inside)
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
            else:
                if stat.S_ISREG(os.fstat(fd).st_mode):
                    answer = send_file(self._options, self._root, inside, fd, request)
                    return answer.while_missing(missing)
                os.close(fd)
            missing.append(f"{self._root}/{inside}")
        return None

    def _with_page(self, answer: Response, page: str) -> Response:
        """The same error with the page of the site's own, if that can be read."""
        content = self._read_page(page)
        if content is None:
            return answer  # the plain page says as much
        rest = (*answer.fields[1:], *cache_control(self._options, page))
        fields = (("Content-Type", content_type(page)), *rest)
        return Response(answer.status, fields, (content,))

    def _read_page(self, page: str) -> bytes | None:
        try:
            fd = open_beneath(self._root, page)
        except OSError:
            return None
        try:
            is_regular = stat.S_ISREG(os.fstat(fd).st_mode)
            return os.read(fd, _MAX_PAGE_BYTES) if is_regular else None
        except OSError:
            return None
        finally:
            os.close(fd)


def _redirect_into(path: str, query: bytes) -> Response:
    where = format_path(path) + "/" + (f"?{query.decode()}" if query else "")
    return error_answer(301, ("Location", where))


def _refuse(error: OSError, path: str) -> Response:
    if error.errno in _ABSENT:
        return error_answer(404)
    if error.errno in (errno.EACCES, errno.EPERM):
        return error_answer(403)
    if error.errno in TEMPORARY:  # EAGAIN: a writer holds a lease, or renames go on beside it
        return error_answer(503, ("Retry-After", "1"))
    log.error("%r: %s", path, error.strerror)
    return error_answer(500)

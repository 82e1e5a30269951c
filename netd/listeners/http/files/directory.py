"""The handler of a route with `directory`: finds a file, its fallback, index or error page."""

from __future__ import annotations

import errno
import logging
import os
import stat
from functools import partial
from typing import Final

from netd.listeners.http.files.directory_listing import Place
from netd.listeners.http.files.listing_query import parse_listing_query
from netd.listeners.http.files.listings import Listings
from netd.listeners.http.files.mime import content_type
from netd.listeners.http.files.openat import open_beneath, stat_or_close
from netd.listeners.http.files.representation import Served, cache_control, respond_with_file
from netd.listeners.http.protocol.event import Request
from netd.listeners.http.protocol.response import DeferredResponse, Response, error_response
from netd.listeners.http.protocol.target import format_path
from netd.runtime.errnos import TEMPORARY

_NOT_FOUND: Final = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EXDEV, errno.ELOOP),
        *(errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO),
    }
)
_MAX_PAGE_BYTES: Final = 1048576  # of a page for an error

_log = logging.getLogger("netd")


class Directory:
    """Responds with the files below a directory; no file stays open between requests."""

    methods = frozenset({"GET", "HEAD"})
    takes_body = False

    def __init__(self, served: Served, listings: Listings) -> None:
        """Serve the files below the root by the other options of the route."""
        self._served = served
        self._listings = listings
        self._options = options = served.options
        self._root = served.root
        self._prefix = options.path.rstrip("/")

    def respond(self, request: Request, path: str, _body: bytes) -> Response | DeferredResponse:
        """Respond with the file that `path` names, its fallback, or an error without its page."""
        name = path[len(self._prefix) :].strip("/")
        is_hidden = self._is_hidden(name)
        response = error_response(404) if is_hidden else self._find(request, path, name)
        is_missing = isinstance(response, Response) and response.status == 404  # noqa: PLR2004 (not found)
        if is_missing and self._options.fallback:
            missing = () if is_hidden else (f"{self._root}/{name}",)
            fallback = self._find(request, "", self._options.fallback)
            # It is no listing, which needs a path with a slash.
            return fallback.then(partial(Response.while_missing, paths=missing))
        return response

    def with_error_page(self, response: Response) -> Response:
        """The response with the content of the route's page for its status, if there is one."""
        page = self._options.error_pages.get(response.status)
        return self._with_page(response, page) if page else response

    def _is_hidden(self, name: str) -> bool:
        return not self._options.dotfiles and any(
            part.startswith(".") and part != ".well-known" for part in name.split("/")
        )

    def _find(self, request: Request, path: str, name: str) -> Response | DeferredResponse:
        """Respond with the file `name`, relative to the root; `path` is the path of the request."""
        try:
            return self._open(request, path, name)
        except OSError as error:
            return _refuse(error, self._root, name)
        except UnicodeEncodeError:
            return error_response(404)  # no file can have this name in the present locale

    def _open(self, request: Request, path: str, name: str) -> Response | DeferredResponse:
        fd = open_beneath(self._root, name)
        mode = stat_or_close(fd).st_mode
        if stat.S_ISREG(mode) and not path.endswith("/"):
            return respond_with_file(self._served, name, fd, request)
        try:
            if not stat.S_ISDIR(mode):
                return error_response(404)
            if not path.endswith("/"):
                return _add_slash(path, request.query)
            response = self._open_index(request, name)
            if response is None and self._options.listing:
                return self._list(fd, path, request.query)
            return response or error_response(404)
        finally:
            os.close(fd)

    def _list(self, fd: int, path: str, query: bytes) -> Response | DeferredResponse:
        """List the open directory at `path`."""
        options = self._options
        return self._listings.respond(
            *(fd, Place(path, self._prefix), parse_listing_query(query)),
            dotfiles=options.dotfiles,
            limit=options.listing_limit,
        )

    def _open_index(self, request: Request, directory: str) -> Response | DeferredResponse | None:
        missing: list[str] = []
        for index in self._options.index:
            name = f"{directory}/{index}" if directory else index
            try:
                fd = open_beneath(self._root, name)
            except OSError as error:
                if error.errno not in _NOT_FOUND:
                    raise
            else:
                if stat.S_ISREG(stat_or_close(fd).st_mode):
                    response = respond_with_file(self._served, name, fd, request)
                    return response.then(partial(Response.while_missing, paths=missing))
                os.close(fd)
            missing.append(f"{self._root}/{name}")
        return None

    def _with_page(self, response: Response, page: str) -> Response:
        """Replace the content of an error response by the file `page`, if it can be read."""
        content = self._read_page(page)
        if content is None:
            return response
        rest = (*response.fields[1:], *cache_control(self._options, page))
        fields = (("Content-Type", content_type(page, self._options.media_types)), *rest)
        return Response(response.status, fields, (content,))

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


def _add_slash(path: str, query: bytes) -> Response:
    """Redirect to the directory's path with a slash, so that relative links work."""
    location = format_path(path) + "/" + (f"?{query.decode()}" if query else "")
    return error_response(301, ("Location", location))


def _refuse(error: OSError, root: str, name: str) -> Response:
    if error.errno in _NOT_FOUND:
        return error_response(404, reason=_why_missing(error, root, name))
    if error.errno in (errno.EACCES, errno.EPERM):
        return error_response(403, reason=f"{_quote(root, name)}: permission denied")
    if error.errno in TEMPORARY:  # EAGAIN: another process holds a lease, or renames files
        return error_response(503, ("Retry-After", "1"))
    _log.error("%s: %s", _quote(root, name), error.strerror)
    return error_response(500)


def _why_missing(error: OSError, root: str, name: str) -> str:
    """Why a file is not found, if that is more than that there is none."""
    if error.errno in (errno.EXDEV, errno.ELOOP):
        return f"{_quote(root, name)} leads out of the directory"
    if error.errno == errno.ENOENT and not os.path.isdir(root):
        return f"there is no directory {root}"
    return ""


def _quote(root: str, name: str) -> str:
    return ascii(f"{root}/{name}")

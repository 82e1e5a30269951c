"""The kind `http`: an HTTP/1.1 server on epoll for files, text, redirects and status pages.

From the top: `service` runs a worker; `handover` passes its connections to another process;
`connection` reads requests from a socket and sends responses; `response` makes their bytes, caches
and logs them; `routes` chooses the handler of a request; `files` makes responses from files;
`protocol` is HTTP without I/O; `pages` has the style of all pages. Each package imports only
packages that are named after it.
"""

from netd.config.address import STREAM_SCHEMES
from netd.listeners.http.check import check
from netd.listeners.http.options import HttpOptions
from netd.listeners.http.probe import hint, probe
from netd.listeners.kind import Kind, StartService


def load_service() -> StartService[HttpOptions]:
    """The class of the service."""
    from netd.listeners.http.service import HttpService  # noqa: PLC0415 (see Kind)

    return HttpService


def share(options: HttpOptions) -> None:
    """Make the keys of session tickets, which all workers with TLS share."""
    if options.tls:
        from netd.listeners.http.connection.tls_transport import share_tickets  # noqa: PLC0415 (imports OpenSSL)

        share_tickets()


KIND = Kind(
    name="http",
    options=HttpOptions,
    load_service=load_service,
    share=share,
    probe=probe,
    hint=hint,
    schemes=STREAM_SCHEMES,
    check=check,
    hands_over=True,
    example_address="tcp://127.0.0.1:8080",
)

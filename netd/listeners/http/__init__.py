"""HTTP on epoll: text, files and redirects, as correct as the RFCs."""

from netd.config.address import STREAM_SCHEMES
from netd.listeners.http.check import check
from netd.listeners.http.options import HttpOptions
from netd.listeners.http.probe import hint, probe
from netd.listeners.http.service import HttpService
from netd.listeners.kind import Kind

KIND = Kind(
    name="http",
    options=HttpOptions,
    start=HttpService,
    probe=probe,
    hint=hint,
    schemes=STREAM_SCHEMES,
    check=check,
)

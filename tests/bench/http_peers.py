"""The servers' configurations: one worker, no access log, a file cache as configured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Place(Protocol):
    """Where a server is to listen and what it serves."""

    @property
    def port(self) -> int:
        """Of 127.0.0.1."""

    @property
    def root(self) -> Path:
        """The directory of files; beside it are key.pem and certificate.pem."""


@dataclass(frozen=True, slots=True)
class Template:
    """A configuration with `@` before each name that is filled in."""

    text: str
    tls: str

    def format(self, place: Place, text: str, *, tls: bool) -> str:
        """The configuration for a place; `text` is what /hello answers."""
        found = self.text.replace("@TLS", self.tls if tls else "")
        found = found.replace("@SSL", "ssl" if tls else "")
        for name, value in (
            ("@PORT", str(place.port)),
            ("@ROOT", str(place.root)),
            ("@DIR", str(place.root.parent)),
            ("@TEXT", text),
        ):
            found = found.replace(name, value)
        return found


NETD = Template(
    """
kind = "http"
address = "tcp://127.0.0.1:@PORT"
max_connections = 5000
headers = {}
routes = [{path = "/hello", text = "@TEXT"}, {path = "/", directory = "@ROOT"}]
@TLS
""",
    'tls = {certificate = "@DIR/certificate.pem", key = "@DIR/key.pem"}',
)

NGINX = Template(
    """
user root;
worker_processes 1;
daemon off;
pid @DIR/pid-@PORT;
events { worker_connections 8192; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  client_body_temp_path @DIR/1;
  proxy_temp_path @DIR/2;
  fastcgi_temp_path @DIR/3;
  uwsgi_temp_path @DIR/4;
  scgi_temp_path @DIR/5;
  @TLS
  server {
    listen 127.0.0.1:@PORT @SSL backlog=1024;
    root @ROOT;
    location = /hello { default_type text/plain; return 200 "@TEXT"; }
  }
}
""",
    # As in Debian's nginx.conf; without the line, nginx before 1.23.4 speaks TLS 1.2 at most, whose
    # records take OpenSSL less time, and is compared with servers that speak TLS 1.3.
    "ssl_certificate @DIR/certificate.pem; ssl_certificate_key @DIR/key.pem;\n"
    "  ssl_protocols TLSv1.2 TLSv1.3;",
)

LIGHTTPD = Template(
    """
server.modules = ("mod_openssl")
server.bind = "127.0.0.1"
server.port = @PORT
server.document-root = "@ROOT"
server.max-keep-alive-requests = 100000000
server.max-connections = 4000
server.max-fds = 9000
server.listen-backlog = 1024
@TLS
""",
    'ssl.engine = "enable"\nssl.pemfile = "@DIR/certificate.pem"\nssl.privkey = "@DIR/key.pem"',
)

GUNICORN = (
    *("gunicorn", "--chdir", "{root}", "-k", "gthread", "--threads", "8"),
    *("-b", "127.0.0.1:{port}", "app:wsgi"),
)
UVICORN = (
    *("uvicorn", "--app-dir", "{root}", "--port", "{port}", "--log-level", "warning"),
    *("--no-access-log", "app:asgi"),
)
GRANIAN = (
    *("granian", "--interface", "asgi", "--working-dir", "{root}", "--port", "{port}"),
    *("--no-log", "--no-access-log", "app:asgi"),
)

APPLICATIONS = """
BODY = b"@TEXT"
LENGTH = str(len(BODY))


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", LENGTH)])
    return [BODY]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"text/plain"), (b"content-length", LENGTH.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})
"""

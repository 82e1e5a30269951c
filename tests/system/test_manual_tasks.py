"""Tasks of an administrator, with the files and commands that the installed manual has."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support import PATIENCE_S, wait_until
from tests.system.container import Container

pytestmark = [pytest.mark.system, pytest.mark.timeout(600, func_only=True)]

CONFIG = "/etc/netd.toml"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/netd"
NAMES = ("example.org", "example.net")
ACME = "https://localhost:14000/acme/local/directory"
AUTHORITY = """
{
    skip_install_trust
    auto_https disable_redirects
}
localhost:14000 {
    tls internal
    acme_server
}
example.org:8443 {
    tls internal
    reverse_proxy 127.0.0.1:8080
}
"""
CERTBOT = f"""
server = {ACME}
no-verify-ssl = true
agree-tos = true
register-unsafely-without-email = true
non-interactive = true
no-random-sleep-on-renew = true
"""
VISITOR = """
import http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
site = http.client.HTTPSConnection(sys.argv[1], context=context)
site.connect()
site.auto_open = False  # the next request is on the same connection, or fails
for _ in range(2):
    site.request("GET", "/")
    print(site.getresponse().read().decode(), end="", flush=True)
    sys.stdin.readline()
"""
BROWSER = r"""
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
sock = socket.create_connection(("127.0.0.1", 8443), source_address=("127.0.0.9", 0))
sock = context.wrap_socket(sock, server_hostname="example.org")
sock.sendall(b"GET /chat HTTP/1.1\r\nHost: example.org:8443\r\nOrigin: https://example.org:8443\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
received = sock.recv(65536)
for line in (b"NICK ann", b"USER ann 0 * :ann", b"WHOIS ann"):
    sock.sendall(b"\x81" + bytes([0x80 | len(line)]) + bytes(4) + line)  # masked with zeros
while b" 318 " not in received and (data := sock.recv(65536)):
    received += data
print(received.decode(errors="replace"))
"""


@pytest.fixture(autouse=True)
def _as_shipped(installed: Container) -> Iterator[None]:
    installed.sh(f"cp -a {CONFIG} /srv/shipped.toml")
    yield
    installed.sh(
        f"mv /srv/shipped.toml {CONFIG}; rm -rf /etc/netd/* /srv/www; systemctl restart netd"
    )


def text_of(container: Container, page: str) -> str:
    """The source of a page of the manual, without the escapes of its examples."""
    path = container.root / f"usr/share/man/man{page[-1]}/{page}.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    for old, new in (("\\-", "-"), ("\\(dq", '"'), ("\\(aq", "'"), ("\\e", "\\")):
        text = text.replace(old, new)
    return text


def block(container: Container, page: str, start: str) -> str:
    """The first example that begins with a text."""
    text = text_of(container, page)
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.MULTILINE | re.DOTALL)
    return str(next(found for found in blocks if found.startswith(start)))


@pytest.fixture
def authority(installed: Container) -> Iterator[str]:
    """The root certificate of Caddy, which is a CA that certbot uses, and a proxy before netd."""
    installed.write("/etc/hosts", f"127.0.0.1 localhost {' '.join(NAMES)}\n")
    installed.write("/etc/caddy/Caddyfile", AUTHORITY)
    installed.write("/etc/letsencrypt/cli.ini", CERTBOT)
    installed.sh("systemctl start caddy")
    for url in (ACME, "https://example.org:8443"):  # Caddy makes its certificates after its start
        wait_until(partial(responds, installed, url), url)
    yield "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"
    installed.sh("systemctl stop caddy; rm -rf /etc/letsencrypt /etc/hosts /var/www/acme")


def responds(container: Container, url: str) -> bool:
    """Whether a server sends any response."""
    return container.try_(f"curl -sk {url}").returncode == 0


def test_a_site_with_two_names_whose_certificates_are_renewed(
    installed: Container, authority: str
) -> None:
    installed.write(HOOK, block(installed, "netd-admin.7", "#!/bin/sh"))
    installed.sh(f"chmod 755 {HOOK}")
    installed.sh(f"cat >>{CONFIG}", block(installed, "netd-admin.7", "[listeners.plain]"))
    commands = block(installed, "netd-admin.7", "# mkdir -p /var/www/acme")
    prepare, apply, *issue = commands.removeprefix("# ").split("\n# ")
    installed.sh(prepare)
    installed.sh(apply)
    for name in NAMES:
        installed.sh("set -e\n" + "\n".join(issue).replace(NAMES[0], name))
        directory = f"/srv/www/{name.removeprefix('example.')}"
        installed.write(f"{directory}/index.html", f"This is {name}.\n")
    site = block(installed, "netd-admin.7", "[listeners.site]")
    kind = 'kind = "http"\n'
    installed.sh(f"cat >>{CONFIG}", site.replace(kind, f'{kind}keepalive_timeout = "1h"\n'))
    installed.sh(apply)
    issued = [certificate(installed, name) for name in NAMES]
    assert all(is_served(installed, authority, name) for name in NAMES)
    assert "certificate of site: expires in 11h " in installed.sh("netd status")

    with installed.start(f"python3 -c '{VISITOR}' {NAMES[0]} {authority}") as visitor:
        assert visitor.stdout is not None
        assert visitor.stdout.readline() == f"This is {NAMES[0]}.\n"
        installed.sh("certbot renew --force-renewal")
        assert not {certificate(installed, name) for name in NAMES} & set(issued)
        for name in NAMES:
            wait_until(partial(is_served, installed, authority, name), "the renewed one")
        output, _ = visitor.communicate("again\n", timeout=PATIENCE_S)
    assert output == f"This is {NAMES[0]}.\n"


def test_a_browser_chats_through_caddy(installed: Container, authority: str) -> None:
    config = block(installed, "netd-admin.7", "[listeners.lounge]")
    installed.write(CONFIG, f'{config}routes = [{{ path = "/chat", chat = "lounge" }}]\n')
    installed.sh("netd check && systemctl reload netd")
    installed.write("/srv/browser.py", BROWSER)
    shown = installed.sh(f"python3 /srv/browser.py {authority}")
    assert shown.startswith("HTTP/1.1 101 Switching Protocols\n")
    assert "ann ~ann@127.0.0.9 127.0.0.9 :Actual user@host, actual IP" in shown
    assert "ann :is using a secure connection" in shown
    installed.sh("rm /srv/browser.py")


def certificate(container: Container, name: str) -> str:
    """The certificate that certbot has for a name."""
    return container.sh(f"cat /etc/letsencrypt/live/{name}/cert.pem")


def is_served(container: Container, authority: str, name: str) -> bool:
    """Whether a client that trusts the CA gets the site of a name, with certbot's certificate."""
    request = f"curl -sS --cacert {authority} -w '%{{certs}}' https://{name}/"
    response = container.sh(request)
    assert response.startswith(f"This is {name}.\n")
    return certificate(container, name).strip() in response


def test_a_backup_is_restored_and_a_forgotten_password_replaced(installed: Container) -> None:
    installed.sh("install -m 0640 -g netd /dev/null /etc/netd/accounts")
    installed.sh("echo ann:$(echo first-secret | netd passwd) >>/etc/netd/accounts")
    installed.sh(f'sed -i \'s|^kind = "chat"|&\\naccounts_file = "/etc/netd/accounts"|\' {CONFIG}')
    installed.sh("systemctl reload netd; echo carols-secret | netd account add carol")
    installed.sh("netd backup /root/FILE")
    installed.sh(f"rm -r /var/lib/netd/* /etc/netd/accounts; cp /srv/shipped.toml {CONFIG}")
    restore = block(installed, "netd.8", "# systemctl stop netd\n# mv ")
    installed.sh("cd /root; set -e\n" + restore.replace("# ", ""))
    assert "carol" in installed.sh("netd account list")

    assert logs_in(installed, "carol", "carols-secret")

    installed.sh("echo other-secret | netd account passwd carol")
    [command] = re.findall(r"^\.Li (sed .*?) ,$", text_of(installed, "netd-admin.7"), re.MULTILINE)
    installed.sh(command.replace("netd passwd", "echo second-secret | netd passwd"))
    log = "journalctl -q -u netd -o cat --no-pager"
    lines = {"chat: the account carol is given a new password", "/etc/netd/accounts read again"}
    wait_until(lambda: lines <= set(installed.sh(log).splitlines()), "the new passwords")
    assert logs_in(installed, "carol", "other-secret")
    assert logs_in(installed, "ann", "second-secret")
    installed.sh("rm -r /var/lib/netd.old /root/FILE /root/password")


def test_a_second_group_has_a_chat_and_a_site_of_its_own(installed: Container) -> None:
    page = text_of(installed, "netd-admin.7")
    [include] = re.findall(r"^\.Li (include = .*)$", page, re.MULTILINE)
    installed.sh(f"sed -i '1i {include}' {CONFIG}")
    club = block(installed, "netd-admin.7", "[listeners.club]")
    installed.write("/etc/netd.d/club.toml", club)
    commands = block(installed, "netd-admin.7", "# mkdir -p /srv/www/club").split("\n")
    as_root = [line.removeprefix("# ") for line in commands if line.startswith("# ")]
    installed.sh("set -e; echo anns-secret >/root/password\n" + "\n".join(as_root[:2]))
    installed.sh("echo The club >/srv/www/club/index.html")
    installed.sh("\n".join([as_root[2], f"{as_root[3]} </root/password"]))
    assert installed.sh("curl -s http://127.0.0.1:8081/") == "The club\n"
    assert "ann" in installed.sh("netd account list --listener club")
    installed.sh("netd-chat --channel '#club' --name bob --send hello unix:///run/netd/club.sock")
    installed.sh("rm -r /etc/netd.d /root/password")


def logs_in(container: Container, name: str, password: str) -> bool:
    """Whether the owner of an account can send a message."""
    container.write("/root/password", password)
    send = f"netd-chat --password-file /root/password --name {name} --send hello"
    return container.try_(send).returncode == 0

"""Tasks of an administrator, with the files and commands that the installed manual has."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import make_certificate, wait_until
from tests.system.container import Container

pytestmark = [pytest.mark.system, pytest.mark.timeout(600, func_only=True)]

CONFIG = "/etc/netd.toml"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/netd"
NAMES = ("example.org", "example.net")


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


def issue(container: Container, directory: Path, name: str) -> None:
    """Make a certificate where certbot has it, and run the hook."""
    files = make_certificate(directory, name)
    live = f"/etc/letsencrypt/live/{name}"
    container.write(f"{live}/fullchain.pem", Path(files["certificate"]).read_text())
    container.write(f"{live}/privkey.pem", Path(files["key"]).read_text())
    container.sh(f"chmod 700 /etc/letsencrypt/live; chmod 600 {live}/privkey.pem")
    container.sh(f"RENEWED_LINEAGE={live} {HOOK}")


def gets(container: Container, name: str) -> bool:
    """Whether a client that trusts the certificate of certbot alone gets the site of this name."""
    options = f"--cacert /etc/letsencrypt/live/{name}/fullchain.pem --resolve {name}:443:127.0.0.1"
    return container.try_(f"curl -s {options} https://{name}/").stdout == f"This is {name}.\n"


def test_a_site_with_two_names_whose_certificate_is_renewed(
    installed: Container, tmp_path: Path
) -> None:
    installed.write(HOOK, block(installed, "netd-admin.7", "#!/bin/sh"))
    installed.sh(f"chmod 755 {HOOK}")
    installed.sh(f"cat >>{CONFIG}", block(installed, "netd-admin.7", "[listeners.plain]"))
    commands = block(installed, "netd-admin.7", "# mkdir -p /var/www/acme").split("\n# ")
    installed.sh(commands[0].removeprefix("# "))
    installed.sh(commands[1])  # netd check && systemctl reload netd
    installed.sh("echo proof >/var/www/acme/.well-known/acme-challenge/token")
    challenge = "http://127.0.0.1/.well-known/acme-challenge/token"
    assert installed.sh(f"curl -s {challenge}") == "proof\n"

    for name in NAMES:
        issue(installed, tmp_path, name)
        directory = f"/srv/www/{name.removeprefix('example.')}"
        installed.write(f"{directory}/index.html", f"This is {name}.\n")
    installed.sh(f"cat >>{CONFIG}", block(installed, "netd-admin.7", "[listeners.site]"))
    installed.sh(commands[1])
    assert all(gets(installed, name) for name in NAMES)

    issue(installed, tmp_path, NAMES[1])
    wait_until(lambda: gets(installed, NAMES[1]), "the renewed certificate")
    assert gets(installed, NAMES[0])
    assert "certificate of site: expires in 1d " in installed.sh("netd status")


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

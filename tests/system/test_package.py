"""The files that the package installs, keeps on an upgrade, and removes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.system.conftest import StartContainer, build, install

pytestmark = [pytest.mark.system, pytest.mark.timeout(600, func_only=True)]


def earlier(package: Path, directory: Path) -> Path:
    """The same package with an older version and another /etc/netd.toml."""
    tree = directory / "tree"
    subprocess.run(["dpkg-deb", "-R", str(package), str(tree)], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(control.read_text().replace("Version: ", "Version: 0~"))
    with (tree / "etc" / "netd.toml").open("a") as config:
        config.write("# As it was shipped then.\n")
    target = directory / "earlier.deb"
    subprocess.run(["dpkg-deb", "--build", "-Zgzip", str(tree), str(target)], check=True)
    return target


@pytest.mark.parametrize("suite", ["trixie", "bookworm"])
def test_an_upgrade_keeps_the_edited_file_and_a_purge_leaves_nothing(
    start_container: StartContainer, tmp_path: Path, suite: str
) -> None:
    debian = start_container(suite)
    before = set(debian.sh("find / -xdev -name '*netd*' -not -path '/proc/*' | sort").split())
    install(debian, earlier(build(suite), tmp_path))
    debian.sh("sed -i 's/Hello from Epoll Server/Hello from us/' /etc/netd.toml")
    debian.sh("systemctl reload netd")
    assert debian.sh("stat -c '%a %U:%G' /etc/netd").strip() == "750 root:netd"

    said = install(debian, build(suite))
    assert "(0~" in said
    assert debian.sh("curl -s http://127.0.0.1:8080/hello") == "Hello from us"
    assert debian.sh("ls /etc/netd.toml*").split() == ["/etc/netd.toml", "/etc/netd.toml.dpkg-dist"]

    options = "-y -q --allow-downgrades -o Dpkg::Options::=--force-confold"
    debian.sh(f"DEBIAN_FRONTEND=noninteractive apt-get install {options} /srv/earlier.deb")
    assert debian.sh("curl -s http://127.0.0.1:8080/hello") == "Hello from us"

    debian.sh("apt-get remove -y -q netd")
    assert debian.try_("systemctl is-active netd").stdout.strip() != "active"
    assert "Hello from us" in debian.sh("cat /etc/netd.toml")

    install(debian, build(suite))
    assert debian.sh("curl -s http://127.0.0.1:8080/hello") == "Hello from us"

    debian.sh("rm /srv/*.deb; apt-get purge -y -q netd; systemctl daemon-reload")
    after = set(debian.sh("find / -xdev -name '*netd*' -not -path '/proc/*' | sort").split())
    assert after - before <= {"/var/lib/apt/listchanges.db"}

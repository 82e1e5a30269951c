"""Files that a configuration includes, and paths relative to the file that has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from netd.config import source
from netd.config.load import read_config
from netd.config.model import Config
from netd.errors import ConfigError
from netd.listeners.http.options import HttpOptions
from netd.listeners.kinds import KINDS

MAIN = """\
include = ["sites/*.toml"]
[listeners.web]
kind = "http"
address = "tcp://127.0.0.1:0"
"""


def write(directory: Path, **texts: str) -> str:
    """The path of `netd.toml`, which includes the other files."""
    (directory / "sites").mkdir()
    for name, text in texts.items():
        (directory / "sites" / f"{name}.toml").write_text(text)
    main = directory / "netd.toml"
    main.write_text(MAIN)
    return str(main)


def web(config: Config) -> HttpOptions:
    options = config.listeners["web"]
    assert isinstance(options, HttpOptions)
    return options


def messages(path: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_config(path, KINDS)
    directory = f"{Path(path).parent}/"
    return [str(problem).replace(directory, "") for problem in caught.value.problems]


def site(host: str, action: str = 'directory = "www"') -> str:
    return f'[[listeners.web.routes]]\nhost = "{host}"\n{action}\n'


def test_each_site_can_have_a_file_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path, b=site("b.example"), a=site("a.example") + site("c.example"))
    routes = web(read_config(path, KINDS)).routes
    assert [route.host[0] for route in routes] == ["a.example", "c.example", "b.example"]
    assert {route.directory for route in routes} == {f"{tmp_path}/sites/www"}


def test_a_file_can_add_listeners_and_tables(tmp_path: Path) -> None:
    echo = '[listeners.echo]\nkind = "echo"\naddress = "tcp://127.0.0.1:0"\n'
    headers = '[listeners.web.headers]\nX = "1"\n'
    config = read_config(write(tmp_path, echo=echo, headers=headers), KINDS)
    assert list(config.listeners) == ["web", "echo"]
    assert web(config).headers == {"X": "1"}


def test_a_fault_is_reported_in_its_own_file(tmp_path: Path) -> None:
    path = write(tmp_path, a=site("a", "txt = 1"), b=f"\n{site('b', 'directory = 1')}", c="x =\n")
    assert messages(path) == [
        'sites/c.toml:1: no value that TOML knows; text needs quotes, as in "echo"'
    ]
    (tmp_path / "sites/c.toml").unlink()
    assert messages(path) == [
        "sites/a.toml:3: listeners.web.routes.0.txt: unknown key; did you mean 'text'?",
        "sites/b.toml:4: listeners.web.routes.1.directory: expected text in quotes, found 1",
    ]


def test_a_key_is_given_in_one_file_only(tmp_path: Path) -> None:
    path = write(tmp_path, a="[listeners.web]\nworkers = 1\nkind = 'http'\n", b="[netd]\n")
    assert messages(path) == [
        "sites/a.toml:3: listeners.web.kind: is given in netd.toml:3 as well",
        (
            "sites/b.toml:1: netd: stands in the main file only; "
            "a file that is included has [listeners.NAME]"
        ),
    ]


def test_the_key_stands_above_all_tables(tmp_path: Path) -> None:
    path = write(tmp_path)
    Path(path).write_text(f"[netd]\n{MAIN}")
    assert messages(path) == [
        "netd.toml:2: netd.include: stands at the top of the file, above all tables"
    ]


LIST_EXPECTED = 'expected a list of files, as in include = ["/etc/netd.d/*.toml"]'


@pytest.mark.parametrize("include", ["3", '["a", 3]', '[""]'])
def test_the_files_to_include_are_a_list_of_texts(tmp_path: Path, include: str) -> None:
    path = write(tmp_path)
    Path(path).write_text(MAIN.replace('["sites/*.toml"]', include))
    assert messages(path) == [f"netd.toml:1: include: {LIST_EXPECTED}"]


@pytest.mark.parametrize("include", ['"*.toml"', '["/nowhere/*.toml"]', '["sites/*", "sites/a*"]'])
def test_a_file_is_included_once_and_the_main_file_is_not(tmp_path: Path, include: str) -> None:
    path = write(tmp_path, a=site("a.example"))
    Path(path).write_text(MAIN.replace('["sites/*.toml"]', include))
    routes = web(read_config(path, KINDS)).routes
    assert len(routes) == ("sites" in include)


def test_a_file_that_is_named_without_a_wildcard_must_exist(tmp_path: Path) -> None:
    path = write(tmp_path)
    Path(path).write_text(f"\n{MAIN.replace('*', 'a')}")
    assert messages(path) == ["netd.toml:2: include: sites/a.toml: no such file or directory"]


@pytest.mark.parametrize("name", ["a", "*"])
def test_a_name_with_nul_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path)
    Path(path).write_text(MAIN.replace("*", f"{name}\\u0000"))
    assert messages(path) == ["netd.toml:1: include: holds a NUL character, which no text may"]


def test_a_link_to_a_missing_file_is_not_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "sites/a.toml").symlink_to("../available/a.toml")
    assert messages(path) == ["netd.toml:1: include: sites/a.toml: no such file or directory"]


def test_the_number_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, a="", b="")
    monkeypatch.setattr(source, "MAX_FILES", 1)
    assert messages(path) == ["netd.toml:1: include: 2 files are above 1"]


def test_relative_paths_begin_at_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path)
    with Path(path).open("a") as file:
        file.write('access_log = "log"\nroutes = [{ directory = "." }, { text = "x" }]\n')
        file.write('tls = { certificate = "tls/chain.pem", key = "/key.pem" }\n')
    monkeypatch.chdir(tmp_path)
    options = web(read_config("netd.toml", KINDS))
    assert options.access_log == f"{tmp_path}/log"
    assert options.routes[0].directory == f"{tmp_path}/."
    [tls] = options.tls
    assert (tls.certificate, tls.key) == (f"{tmp_path}/tls/chain.pem", "/key.pem")

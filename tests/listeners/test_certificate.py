from __future__ import annotations

import ssl
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from netd.errors import ConfigError
from netd.listeners.certificate import Certificate, CertificateSet, problems
from netd.listeners.tls_options import TlsOptions
from tests.support import make_certificate


def test_a_changed_certificate_gives_a_new_context(tmp_path: Path) -> None:
    certificate = Certificate(TlsOptions(**make_certificate(tmp_path, "one.test")))
    first = certificate.context
    assert not certificate.refresh()
    assert certificate.context is first
    make_certificate(tmp_path, "one.test")
    assert certificate.refresh()
    assert certificate.context is not first


def test_a_certificate_that_cannot_be_read_is_logged_once_and_the_context_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = TlsOptions(**make_certificate(tmp_path, "one.test"))
    certificate = Certificate(options)
    Path(options.key).write_text("no key")
    assert not certificate.refresh()
    assert not certificate.refresh()
    assert len(caplog.messages) == 1
    assert certificate.context


def test_a_missing_key_is_named_as_the_key(tmp_path: Path) -> None:
    options = TlsOptions(**make_certificate(tmp_path, "one.test"))
    assert problems(options) == ()
    Path(options.key).unlink()
    [problem] = problems(options)
    assert (problem.key, problem.message) == (
        "tls.key",
        f"{options.key}: No such file or directory",
    )
    with pytest.raises(ConfigError, match="No such file"):
        Certificate(options)


def test_each_fault_is_reported_with_its_file_and_key(tmp_path: Path) -> None:
    one = TlsOptions(**make_certificate(tmp_path, "one.test"))
    other = TlsOptions(**make_certificate(tmp_path, "other.test"))
    for options, client_ca, key, fault in (
        (replace(one, key=other.key), "", "tls.key", "The key does not fit the certificate"),
        (replace(one, key=""), "", "tls.certificate", "Has no private key"),
        (replace(one, certificate=one.key), "", "tls.certificate", "Has no certificate"),
        (one, other.key, "tls.client_ca", "Has no certificate"),
        (one, str(tmp_path / "none"), "tls.client_ca", "No such file"),
    ):
        [problem] = problems(options, client_ca)
        assert (problem.key, problem.is_warning) == (key, False)
        assert fault in problem.message
    assert problems(one, other.certificate) == ()


def test_a_key_of_another_type_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As while a certificate is renewed with a key of another type, by `certbot --key-type`."""
    options = TlsOptions(**make_certificate(tmp_path, "one.test"))
    certificate = Certificate(options)
    make_key = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", options.key]
    subprocess.run(make_key, check=True, capture_output=True)
    assert not certificate.refresh()
    [message] = caplog.messages
    assert f"{options.key}: The key does not fit the certificate {options.certificate}" in message


def test_an_expired_certificate_is_served_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TlsOptions(**make_certificate(tmp_path, "one.test"))
    now = time.time()
    for moved_s, fault in ((-3600, "is not valid before "), (3 * 86400, "expired on ")):
        monkeypatch.setattr(time, "time", lambda moved_s=moved_s: now + moved_s)
        [problem] = problems(options)
        assert problem.is_warning
        assert fault in problem.message
    assert Certificate(options).context


def test_a_renewal_is_overdue_by_the_lifetime_of_the_certificate(tmp_path: Path) -> None:
    """Certificates of six days, as those of 90 days, are renewed before that."""
    options = [
        TlsOptions(**make_certificate(tmp_path, f"{days}.test", days)) for days in (90, 6, 1)
    ]
    moments = [Certificate(one).moments for one in options]
    left = [found["certificate_expiry"] - found["certificate_renewal"] for found in moments]
    assert left == [14 * 86400, 1.5 * 86400, 86400 / 4]
    assert CertificateSet(options, ()).moments == moments[-1]  # the earliest ones


def test_a_requested_name_that_is_not_ascii_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    names = ("one.test", "two.test")
    options = [TlsOptions(**make_certificate(tmp_path, name)) for name in names]
    server = ssl.MemoryBIO()
    tls = CertificateSet(options, ()).context.wrap_bio(server, ssl.MemoryBIO(), server_side=True)
    server.write(first_bytes("one.test").replace(b"one.test", b"\xff\x1b[.test"))
    with pytest.raises(ssl.SSLError):
        tls.do_handshake()
    assert capfd.readouterr() == ("", "")


def first_bytes(name: str) -> bytes:
    """The first bytes of a client that requests a name."""
    client = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), client, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return client.read()

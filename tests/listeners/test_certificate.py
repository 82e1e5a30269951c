from __future__ import annotations

from pathlib import Path

import pytest

from netd.errors import ConfigError
from netd.listeners.certificate import Certificate, problems
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


def test_a_problem_names_the_file_and_its_key(tmp_path: Path) -> None:
    options = TlsOptions(**make_certificate(tmp_path, "one.test"))
    assert problems(options) == ()
    Path(options.key).unlink()
    [problem] = problems(options)
    assert problem.key in ("tls.key", "tls.certificate")
    with pytest.raises(ConfigError, match="No such file"):
        Certificate(options)

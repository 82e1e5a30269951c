from __future__ import annotations

import pytest

from netd.listeners.password_verifier import PasswordVerifier
from netd.protocols.password import hash_password
from netd.runtime.loop import Loop
from netd.runtime.poller import EpollPoller

HASH = hash_password("sesame", bytes(16))


@pytest.mark.parametrize("stored", ["sesame", HASH], ids=["plain", "hash"])
def test_the_result_comes_on_the_loop(stored: str) -> None:
    loop = Loop(EpollPoller())
    verifier = PasswordVerifier(loop)
    verifier.prepare()
    results: list[bool] = []
    verifier.verify("sesame", stored, results.append)
    verifier.verify("open", stored, results.append)
    assert not results
    while len(results) < 2:
        loop.turn()
    assert results == [True, False]
    loop.close()

from __future__ import annotations

import pytest

from netd.client.client_settings import ClientSettings
from netd.client.connector import backoff_s, exposure
from netd.client.core.client_state import Identity
from netd.client.core.endpoint import Endpoint

FAR = Endpoint("irc.example.net", 6667)


@pytest.mark.parametrize(
    ("attempt", "delay_s"), [(0, 0), (1, 0.25), (3, 1), (8, 32), (9, 60), (5000, 60)]
)
def test_the_first_attempt_is_at_once_and_the_delay_doubles_up_to_a_minute(
    attempt: int, delay_s: float
) -> None:
    assert backoff_s(attempt) == delay_s


def test_a_password_that_others_can_read_is_warned_of() -> None:
    def warning(identity: Identity, endpoint: Endpoint = FAR, *, tls: bool = False) -> str:
        return exposure(ClientSettings(identity, (endpoint,), tls=tls), endpoint)

    bob = Identity("bob", password="secret")
    assert warning(bob).startswith("irc.example.net gets your password without encryption")
    assert warning(Identity("bob", server_password="secret", uses_scram=True))
    assert not warning(bob, tls=True)
    assert not warning(bob, Endpoint("localhost", 6667))
    assert not warning(bob, Endpoint(path="/run/netd/lounge.sock"))
    assert not warning(Identity("bob"))
    assert not warning(Identity("bob", password="secret", uses_scram=True))

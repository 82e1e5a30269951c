from __future__ import annotations

import pytest

from netd.client.core.endpoint import Endpoint, parse


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("chat.example", Endpoint("chat.example", 6667)),
        ("chat.example:7000", Endpoint("chat.example", 7000)),
        ("tcp://127.0.0.1:7000", Endpoint("127.0.0.1", 7000)),
        ("tcp://[::1]:7000", Endpoint("::1", 7000)),
        ("[::1]", Endpoint("::1", 6667)),
        ("unix:///run/x.sock", Endpoint(path="/run/x.sock")),
        ("/run/x.sock", Endpoint(path="/run/x.sock")),
    ],
)
def test_the_forms_of_an_address(text: str, endpoint: Endpoint) -> None:
    assert parse(text) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        *("", "udp://a:1", "a:b", "a:0", "a:70000", "a b", "unix://x", "::1"),
        *("a..b", ".a", "a" * 64, "\udcff", "a\0b"),
    ],
)
def test_an_invalid_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|port"):
        parse(text)

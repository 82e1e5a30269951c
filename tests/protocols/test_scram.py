from __future__ import annotations

import pytest

from netd.errors import RemoteProtocolError
from netd.protocols.scram import (
    ClientFirst,
    format_server_final,
    format_server_first,
    parse_client_final,
    parse_client_first,
)
from netd.protocols.scram_client import ScramLogin
from tests.protocols.test_scram_keys import AUTH_MESSAGE, NONCE, PROOF, SALT, SIGNATURE

FIRST = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
CHALLENGE = f"r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = f"c=biws,r={NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="


def test_the_exchange_of_rfc_7677() -> None:
    first = parse_client_first(FIRST)
    assert (first.name, first.authorization) == ("user", "")
    challenge = format_server_first(first, NONCE.removeprefix(first.nonce), SALT, 4096)
    assert challenge == CHALLENGE
    final = parse_client_final(FINAL, first, challenge)
    assert (final.proof, final.auth_message) == (PROOF, AUTH_MESSAGE)
    assert format_server_final(SIGNATURE) == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("n,,n=a,r=x", ClientFirst("n,,", "", "a", "x", "n=a,r=x")),
        ("y,,n=a,r=x", ClientFirst("y,,", "", "a", "x", "n=a,r=x")),
        ("n,a=b,n=a,r=x", ClientFirst("n,a=b,", "b", "a", "x", "n=a,r=x")),
        ("n,,n=a=2Cb=3D,r=x", ClientFirst("n,,", "", "a,b=", "x", "n=a=2Cb=3D,r=x")),
        ("n,,n=a,r=x,q=1", ClientFirst("n,,", "", "a", "x", "n=a,r=x,q=1")),
        ("n,,n=\u00e9,r=x", ClientFirst("n,,", "", "\u00e9", "x", "n=\u00e9,r=x")),
    ],
)
def test_the_first_message(text: str, first: ClientFirst) -> None:
    assert parse_client_first(text) == first


@pytest.mark.parametrize(
    "text",
    [
        "",
        "n",
        "n,,",
        ",,n=a,r=x",
        "x,,n=a,r=x",
        "n,n=a,r=x",
        "n,b=c,n=a,r=x",
        "n,a=,n=a,r=x",
        "n,,n=,r=x",
        "n,,n=a=,r=x",
        "n,,n=a=2c,r=x",
        "n,,n=a\0,r=x",
        "n,,r=x,n=a",
        "n,,n=a",
        "n,,n=a,r=",
        "n,,n=a,r=x y",
        "n,,n=a,r=\u00e9",
        "n,,m=1,n=a,r=x",
        "p=tls-unique,,n=a,r=x",
        f"n,,n=a,r={'x' * 257}",
        f"n,,n={'a' * 1100},r=x",
    ],
)
def test_a_first_message_that_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_client_first(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p=AAAA",
        FINAL.replace("c=biws", "c=eSws"),
        FINAL.replace("c=biws", "c="),
        FINAL.replace(NONCE, NONCE[:-1]),
        FINAL.replace(NONCE, NONCE + "x"),
        FINAL.replace(NONCE, "rOprNGfwEbeRWgbNEkqO"),
        FINAL.replace("c=biws,", ""),
        FINAL[:-1],
        FINAL[:-8],
        FINAL + ",x=y",
        FINAL.replace("dHzb", "????"),
        FINAL.replace(",p=", ",q="),
        FINAL.replace(",p=", f",{'x' * 1100},p="),
    ],
)
def test_a_second_message_that_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_client_final(text, parse_client_first(FIRST), CHALLENGE)


def test_a_name_of_any_characters_is_read_as_the_client_has_written_it() -> None:
    first = parse_client_first(ScramLogin("a,b=c\u00e9", "pencil", "nonce").first_message())
    assert (first.name, first.nonce) == ("a,b=c\u00e9", "nonce")

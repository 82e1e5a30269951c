"""The facts about a client that has registered, which all hosts need to let it in."""

from __future__ import annotations

import json
from typing import Final

from netd.listeners.chat.room.capability import BY_WIRE_NAME, wire_names
from netd.listeners.chat.room.client_state import ClientState
from netd.listeners.chat.room.member import Client
from netd.protocols.record import FLAG, TEXT, fields_of, list_of, load_mapping, refuse_malformed

_ENTRANT: Final = fields_of(
    nick=TEXT,
    user=TEXT,
    realname=TEXT,
    host=TEXT,
    own_host=TEXT,
    account=TEXT,
    away=TEXT,
    address=TEXT,
    local_user=TEXT,
    fingerprint=TEXT,
    is_secure=FLAG,
    caps=list_of(TEXT),
    resume_proof=TEXT,
    claims=TEXT,
)
_LATER: Final = {"resume_proof": "", "claims": ""}  # unknown to earlier versions


def format_entrant(client: Client) -> bytes:
    """The facts as JSON."""
    member = client.member
    facts = {
        "nick": member.nick,
        "user": member.user,
        "realname": member.realname,
        "host": member.host,
        "own_host": member.own_host,
        "account": member.account,
        "away": member.away,
        "address": client.address,
        "local_user": client.local_user,
        "fingerprint": client.fingerprint,
        "is_secure": client.is_secure,
        "caps": wire_names(client.caps),
        "resume_proof": client.resume_proof,
        "claims": client.registration.claims,
    }
    return json.dumps(facts, separators=(",", ":")).encode()


def parse_entrant(data: bytes) -> Client:
    """Make a remote client that has registered. Raises StateError."""
    with refuse_malformed("an entry of the log"):
        facts = _ENTRANT.load({**_LATER, **load_mapping(json.loads(data))})
        client = Client(
            facts["address"], local_user=facts["local_user"], is_secure=facts["is_secure"]
        )
        client.is_remote = True
        client.state = ClientState.REGISTERING
        client.fingerprint = facts["fingerprint"]
        client.set_caps(parse_caps(facts["caps"]))
        client.resume_proof = facts["resume_proof"]
        client.register(claims=facts["claims"])
        member = client.member
        member.user, member.realname = facts["user"], facts["realname"]
        member.host, member.account = facts["host"], facts["account"]
        member.own_host = facts["own_host"]
        member.away = facts["away"]
        member.share_host()
        member.set_nick(facts["nick"])
        return client


def parse_caps(names: list[str]) -> int:
    """The set of capabilities with these names; unknown ones are left out."""
    return sum(BY_WIRE_NAME[name].value for name in names if name in BY_WIRE_NAME)

"""RESUME in a room on several hosts: a client returns to another host than the one it was on.

All hosts know the hash of each client's token. A client whose token is that of a client on another
host enters with the hash as its claim, and takes the place when the hosts read that in the log. The
lines that the other host has kept for it stay there, so it is not sent RESUME SUCCESS, which would
promise them: the client is shown its channels, and requests their history.
"""

from __future__ import annotations

from _blake2 import blake2b  # hashlib would load OpenSSL
from typing import Final

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.client_state import NO_REGISTRATION, ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.member import Client
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import fold

REPLACED: Final = "Another connection resumes this one"
_PROOF_BYTES: Final = 16


def proof_of(client: Client) -> str:
    """The hash of a client's token; empty if it does not know the token."""
    return _hash(client.resume_token) if client.resume_token and client.has(Cap.RESUME) else ""


def _hash(token: str) -> str:
    return blake2b(token.encode(), digest_size=_PROOF_BYTES).hexdigest()


def claim(context: CommandContext, token: str) -> bool:
    """Claim the place of the client of another host that has a token; False if there is none."""
    client = context.client
    client.register(claims=_hash(token))
    is_found = claimed_client(context.room, client) is not None
    if not is_found:
        client.register(claims="")
    return is_found


def claimed_client(room: RoomState, client: Client) -> Client | None:
    """The client whose place a client claims and may take."""
    claims = client.registration.claims
    if not claims:
        return None
    known = (other for other in room.clients() if other.resume_proof == claims)
    lost = next((other for other in known if other.is_registered and other is not client), None)
    return lost if lost is not None and is_same(client, lost) else None


def is_same(client: Client, lost: Client) -> bool:
    """Whether a client contradicts nothing that is known of a lost one."""
    account = client.member.account
    if account and fold(account) != fold(lost.member.account):
        return False
    return not lost.local_user or client.local_user == lost.local_user  # it is shown as verified


def take_place(context: CommandContext, lost: Client) -> None:
    """Put the client into the place of one of another host, or of this one."""
    client, room, member = context.client, context.room, lost.member
    for folded in lost.monitoring:
        room.watchers[folded].discard(lost)
    room.give_up_nick(client.member)
    room.unregistered.pop(client, None)
    client.member.clients = ()
    context.close(lost, REPLACED)
    room.ghosts.pop(lost, None)
    lost.state, client.state = ClientState.GONE, ClientState.REGISTERED
    client.registration = NO_REGISTRATION
    client.member = member
    member.replace_client(lost, client)
    room.on_clients_changed(member)
    presence.come_back(context, member)
    room.returned += not client.is_remote

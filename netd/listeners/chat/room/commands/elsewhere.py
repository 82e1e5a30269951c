"""The return of a client in a room on several hosts, to another one than the one it was on.

All hosts know the hash of each client's token. If a client without one has lost its connection,
they know instead the hash of its nick and its certificate or local user. A client with that token,
or with that nick and certificate or user, enters with the hash as its claim, and takes the place
when the hosts read that in the log. The lines that the other host has kept for it stay there, so it
is not sent RESUME SUCCESS, which would promise them: the client is shown its channels, and requests
their history.
"""

from __future__ import annotations

from _blake2 import blake2b  # hashlib would load OpenSSL
from typing import Final

from netd.listeners.chat.room import presence
from netd.listeners.chat.room.capability import Cap
from netd.listeners.chat.room.client_state import NO_REGISTRATION, ClientState
from netd.listeners.chat.room.command_context import CommandContext
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.state import RoomState
from netd.protocols.irc import fold

CLIENTS_PER_WORK: Final = 8
"""How many clients are compared in about a microsecond."""
REPLACED: Final = "Another connection resumes this one"
_PROOF_BYTES: Final = 16
_OF_IDENTITY: Final = b"identity"  # so that no token has such a hash


def proof_of(client: Client) -> str:
    """The hash of a client's token; empty if it does not know the token."""
    return _hash(client.resume_token) if client.resume_token and client.has(Cap.RESUME) else ""


def _hash(token: str) -> str:
    return blake2b(token.encode(), digest_size=_PROOF_BYTES).hexdigest()


def identity_of(room: RoomState, client: Client, member: Member) -> str:
    """The hash of a member's nick, and of a client's certificate or its local user on this host."""
    text = f"{room.host}/{client.local_user}" if client.local_user else client.fingerprint
    if not text:
        return ""
    data = f"{member.folded} {text}".encode()
    return blake2b(data, digest_size=_PROOF_BYTES, person=_OF_IDENTITY).hexdigest()


def may_be(context: CommandContext, member: Member) -> bool:
    """Whether the client is one that a member has lost, by its certificate or its local user."""
    identity = identity_of(context.room, context.client, member)
    return bool(identity) and any(lost.resume_proof == identity for lost in member.clients)


def claim_nick(context: CommandContext) -> bool:
    """Claim the place of the member that has the client's nick, if the client may be its."""
    member = context.room.members.get(context.sender.folded)
    if member is None or not may_be(context, member):
        return False
    context.client.register(claims=identity_of(context.room, context.client, member))
    return claimed_client(context.room, context.client) is not None


def claim(context: CommandContext, token: str) -> bool:
    """Claim the place of the client of another host that has a token; False if there is none."""
    client = context.client
    context.work += len(context.room.members) // CLIENTS_PER_WORK
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

"""Changes of a room on several hosts that no client causes; they happen on all of the hosts.

Its channels, bans and absent members expire by the time of the log; its accounts are changed by
administrators; and its settings are compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from netd.listeners.chat.cluster.agreement import differences, format_agreement
from netd.listeners.chat.cluster.arrival import restore_channel
from netd.listeners.chat.cluster.node_name import host_of
from netd.listeners.chat.cluster.room_input import InputKind, RoomInput, format_input
from netd.listeners.chat.room.account_changes import StoreAccount
from netd.listeners.chat.room.account_edits import AccountEdit, EditKind
from netd.listeners.chat.room.accounts import RegisteredAccount
from netd.listeners.chat.room.client_state import CheckPurpose
from netd.listeners.chat.room.commands import account_store
from netd.listeners.chat.room.effect import Effect, Log, Store
from netd.listeners.chat.room.member import Client, Member
from netd.listeners.chat.room.room import Room
from netd.listeners.chat.room.settings import RoomSettings
from netd.listeners.chat.room.state import RoomState
from netd.protocols.password import Verdict
from netd.protocols.saved_record import load_record, save_record

Outcome = tuple[Client | None, list[Effect]]
"""The effects of an event, and the client that caused it, if there is one."""


class SharedRoom(Room):
    """A room whose changes go through a log; `append` puts an input into it."""

    def __init__(
        self, settings: RoomSettings, now: float, node: str, append: Callable[[bytes], object]
    ) -> None:
        self._node = node
        self._append = append
        self._second = 0  # of the last entry
        self.disagreements: dict[str, list[str]] = {}
        """The names of the settings that other hosts have otherwise, by node."""
        self._published: dict[str, bytes] = {}  # by node
        self._registering: dict[str, Client] = {}  # clients that are no members yet, by their keys
        super().__init__(settings, now, "")  # message ids come from the log

    def replace(self, state: RoomState) -> None:
        super().replace(state)
        self._second = 0  # the log goes on with an earlier entry

    def publish_settings(self) -> None:
        """Let the other hosts compare the settings of this one with theirs."""
        data = format_agreement(self.state.settings)
        self._append(format_input(RoomInput(InputKind.SETTINGS, 0, data)))

    def configure(self, settings: RoomSettings, now: float) -> list[Effect]:
        effects = super().configure(settings, now)
        for node, published in self._published.items():
            self._note_differences(node, published)
        return effects

    def _compare(self, node: str, published: bytes) -> list[Effect]:
        self._forget_settings(node)
        names = self._note_differences(node, published)
        self._published[node] = published
        return [Log(f"the host {node} has other settings: {', '.join(names)}")] if names else []

    def _note_differences(self, node: str, published: bytes) -> list[str]:
        """Compare the settings of another host; the workers of one host have the same file."""
        names = differences(self.state.settings, published)
        if host_of(node) == host_of(self._node):
            return []
        self.disagreements[node] = names
        if not names:
            del self.disagreements[node]
        return names

    def _forget_settings(self, node: str) -> None:
        self.disagreements.pop(node, None)
        self._published.pop(node, None)

    # Accounts. What their users do with them are lines and verdicts, as any other change.

    def edit_accounts(self, edits: Iterable[AccountEdit], now: float) -> list[Effect]:  # noqa: ARG002 (the log's time counts)
        for edit in edits:
            data = json.dumps(save_record(edit)).encode()
            self._append(format_input(RoomInput(InputKind.EDIT, 0, data)))
        return []

    def verified(
        self, client: Client, now: float, verdict: Verdict, result: str = ""
    ) -> list[Effect]:
        check = client.password_check
        is_new = check is not None and check.purpose is CheckPurpose.REGISTER
        if check is None or not is_new or client.is_registered or verdict is not Verdict.RIGHT:
            return super().verified(client, now, verdict, result)
        self._registering[result] = client  # the log has no name for it
        email = account_store.email_of(check)
        edit = AccountEdit(EditKind.ADD, check.name, result, now, email=email)
        return self.edit_accounts([edit], now)

    def _change_account(self, item: RoomInput, now: float) -> Outcome:
        """Carry out an edit, or take an account that is not in the engine."""
        data = json.loads(item.data)
        if item.kind is InputKind.EDIT:
            return self._edit_account(load_record(AccountEdit, data), now)
        account = load_record(RegisteredAccount, data)
        self.state.accounts.put(account)
        return None, [Store(StoreAccount(account))]

    def _edit_account(self, edit: AccountEdit, now: float) -> Outcome:
        effects = super().edit_accounts([edit], now)
        client = self._registering.pop(edit.value, None)
        if client is not None:
            effects += super().verified(client, now, Verdict.RIGHT, edit.value)
        return client, effects

    def _restore_channels(self, saved: Iterable[bytes], now: float) -> None:
        for data in saved:
            restore_channel(self.state, data, now)

    def expire_channels(self, now: float) -> list[Effect]:  # noqa: ARG002 (the log's time counts)
        return []

    def expire_bans(self, now: float) -> list[Effect]:  # noqa: ARG002 (as above)
        return []

    def expire_absent(self, member: Member, now: float) -> list[Effect]:  # noqa: ARG002 (as above)
        return []

    def _expire(self, now: float) -> list[Effect]:
        """End what has expired by the time of the log, once in each second of it."""
        if int(now) == self._second:
            return []
        self._second = int(now)
        effects = [*super().expire_channels(now), *super().expire_bans(now)]
        for member in list(self.state.absent):
            effects += super().expire_absent(member, now)
        return effects

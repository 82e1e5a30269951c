"""Checks passwords in a thread, since hashing takes too long for the loop, in a fair order."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from netd.errors import LocalProtocolError
from netd.listeners.counters import Counters
from netd.listeners.logins.login_log import LoginLog
from netd.listeners.logins.login_options import LoginOptions
from netd.listeners.logins.login_queue import SOURCE, LoginQueue
from netd.protocols.host_port import source_of
from netd.protocols.password import Verdict, is_hashed, matches
from netd.protocols.password_work import PasswordWork
from netd.protocols.record import Field, fields_of, list_of, load_list, load_text
from netd.runtime.loop import Loop, Timer
from netd.runtime.poller import READ

_KEY_BYTES: Final = 16
_MAX_FINISHED: Final = 16  # in a turn of the loop; each one takes about 0.1 ms
_MAX_KNOWN: Final = 1000  # logins that were right, and are not checked again

OnVerdict = Callable[[Verdict], object]


@dataclass(frozen=True, slots=True)
class Login:
    """A password that a client sent, and the stored one to compare it with."""

    host: str
    """The client's address; "" on a Unix socket."""
    account: str
    """The name that the client sent, for the log."""
    method: str
    """How the client sent the password, for the log; a word."""
    password: str
    stored: str
    local_user: str = ""
    """The system user at the other end of a Unix socket, if it is known."""
    work: PasswordWork | None = None
    """The work in place of a comparison of the password; it is done for each login anew."""

    @property
    def source(self) -> tuple[int | str, str]:
        """The key of the client's place in the queue."""
        return source_of(self.host), self.local_user

    @property
    def has_source(self) -> bool:
        """Whether the source is one client, so that its checks may be delayed.

        A reverse proxy that connects to a Unix socket is one source for all of its clients.
        """
        return bool(self.host or self.local_user)

    @property
    def shown_source(self) -> str:
        """The source in the log: an address, `unix`, or `unix:USER`."""
        return self.host or (f"unix:{self.local_user}" if self.local_user else "unix")

    @property
    def is_slow(self) -> bool:
        """Whether the check takes too long for the loop."""
        return is_hashed(self.stored) if self.work is None else self.work.is_slow(self.stored)


@dataclass(slots=True)
class _Check:
    """A check that waits or is in progress. Equal logins of one host share it."""

    login: Login
    digest: bytes
    callbacks: list[OnVerdict] = field(default_factory=list)
    error: Exception | None = None

    def compare(self) -> Verdict:
        """Compare, which takes long for a hash. UNCHECKED if there is no memory for it."""
        login = self.login
        try:
            if login.work is None:
                is_right = matches(login.password, login.stored)
            else:
                is_right = login.work.do(login.stored)
        except (MemoryError, ValueError, LocalProtocolError) as error:  # OpenSSL: ValueError
            self.error = error
            return Verdict.UNCHECKED
        return Verdict.RIGHT if is_right else Verdict.WRONG


def _load_source(data: object) -> tuple[tuple[int | str, str], dict[str, Any]]:
    (address, local_user), history = load_list(data)
    if type(address) is not int:
        load_text(address)
    return (address, load_text(local_user)), SOURCE.load(history)


def _load_key(data: object) -> bytes:
    key = bytes.fromhex(load_text(data))
    if len(key) != _KEY_BYTES:
        raise ValueError("not a key")
    return key


_DIGEST: Final = Field(lambda data: bytes.fromhex(load_text(data)))
VERIFIER: Final = fields_of(
    key=Field(_load_key), known=list_of(_DIGEST), sources=list_of(Field(_load_source))
)
"""Checks what `PasswordVerifier.save` returns."""


class PasswordVerifier:
    """Checks one hash at a time in a thread, which the first hash starts; calls back on the loop.

    The eventfd that wakes the loop is opened at once: later, connections can have taken all
    descriptors.
    """

    def __init__(self, loop: Loop, options: LoginOptions) -> None:
        self._loop = loop
        self._queue: LoginQueue[_Check] = LoginQueue(options)
        self._login_log = LoginLog(loop)
        self._pending: dict[bytes, _Check] = {}  # by digest
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._key = os.urandom(_KEY_BYTES)
        self._wrong = self._unchecked = 0
        self._retry: Timer | None = None
        self._in_thread: queue.SimpleQueue[_Check] = queue.SimpleQueue()
        self._unfinished: deque[tuple[_Check, Verdict]] = deque()
        self._results: deque[tuple[_Check, Verdict]] = deque()
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._has_thread = self._is_busy = False
        loop.watch(self._wakeup, READ, self._on_results)

    def reconfigure(self, options: LoginOptions) -> None:
        """Apply new limits; checks that wait already stay."""
        self._queue.options = options

    def prepare(self) -> None:
        """Import the hashing modules now: later there can be no descriptor left to read them."""
        import hashlib  # noqa: F401, PLC0415 (loads OpenSSL)
        import hmac  # noqa: F401, PLC0415 (as above)

    def recall(self, login: Login) -> Callable[[], bool]:
        """Return a function: whether this host has logged in before, so that no check is needed.

        Another host has to wait for a check: else it could guess passwords without delay.
        """
        digest = self._digest(login)
        return lambda: digest in self._known

    def verify(self, login: Login, on_verdict: OnVerdict) -> None:
        """Call `on_verdict(verdict)` in a later turn: a client that sends many passwords waits."""
        digest = self._digest(login)
        if digest in self._known:
            self._loop.call_next_turn(partial(on_verdict, Verdict.RIGHT))
            return
        if digest in self._pending:
            self._pending[digest].callbacks.append(on_verdict)
            return
        check = self._pending[digest] = _Check(login, digest, [on_verdict])
        if not (login.is_slow or self._queue.is_delayed(login.source, self._loop.now)):
            verdict = check.compare()
            self._finish_later(check, verdict)
            return
        self._refuse(self._queue.add(login.source, check, self._loop.now))
        self._begin_next()

    def save(self) -> dict[str, Any]:
        """The right logins and the wrong ones of each source as plain data; no waiting check."""
        return {
            "key": self._key.hex(),
            "known": [digest.hex() for digest in self._known],
            "sources": [[[*key], source] for key, source in self._queue.save()],
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Continue a verifier that was saved, as VERIFIER has loaded it; before any check."""
        self._key = saved["key"]
        self._known.update(dict.fromkeys(saved["known"]))
        self._queue.load(dict(saved["sources"]))

    def counters(self) -> Counters:
        """The totals of wrong and of unchecked passwords, and the gauge of checks that wait."""
        totals = {"wrong_credentials": self._wrong, "unchecked_credentials": self._unchecked}
        return Counters(totals, {"waiting_logins": len(self._queue)})

    def _begin_next(self) -> None:
        """Pass the thread a check if it has none, or wait until one may begin."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._is_busy:
            return
        taken = self._queue.take(self._loop.now)
        if taken is not None:
            self._begin(taken[1])
        elif (wait_s := self._queue.next_s(self._loop.now)) is not None:
            self._retry = self._loop.call_later(wait_s, self._begin_next)

    def _begin(self, check: _Check) -> None:
        if not self._has_thread:
            try:
                threading.Thread(target=self._work, name="verifier", daemon=True).start()
            except RuntimeError as error:  # no process or memory is left
                check.error = error
                self._refuse([check])
                self._loop.defer(self._begin_next)
                return
            self._has_thread = True
        self._is_busy = True
        self._in_thread.put(check)

    def _work(self) -> None:
        while True:
            check = self._in_thread.get()
            self._results.append((check, check.compare()))
            os.eventfd_write(self._wakeup, 1)

    def _on_results(self, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):  # the event was of a closed one with this number
            os.eventfd_read(self._wakeup)
        while self._results:
            self._is_busy = False
            self._finish(*self._results.popleft())
        self._begin_next()

    def _finish(self, check: _Check, verdict: Verdict) -> None:
        """Record the outcome of a check, and report it to the clients that wait for it."""
        del self._pending[check.digest]
        login = check.login
        match verdict:
            case Verdict.RIGHT:
                if login.work is None:
                    self._remember(check.digest)
                self._queue.record_right(login.source)
            case Verdict.WRONG:
                self._wrong += len(check.callbacks)
                self._login_log.failed(login.shown_source, login.account, login.method)
                if login.has_source:
                    self._refuse(self._queue.record_wrong(login.source, self._loop.now))
            case Verdict.UNCHECKED:
                self._unchecked += len(check.callbacks)
                if check.error is not None:
                    self._login_log.unchecked(check.error)
        for on_verdict in check.callbacks:
            on_verdict(verdict)

    def _refuse(self, checks: list[_Check]) -> None:
        for check in checks:
            self._finish_later(check, Verdict.UNCHECKED)

    def _finish_later(self, check: _Check, verdict: Verdict) -> None:
        if not self._unfinished:
            self._loop.call_next_turn(self._finish_some)
        self._unfinished.append((check, verdict))

    def _finish_some(self) -> None:
        """Finish some checks that needed no thread; the clients often guess again at once."""
        for _ in range(min(len(self._unfinished), _MAX_FINISHED)):
            self._finish(*self._unfinished[0])
            self._unfinished.popleft()
        if self._unfinished:
            self._loop.call_next_turn(self._finish_some)

    def _digest(self, login: Login) -> bytes:
        from hashlib import blake2b  # noqa: PLC0415 (loads OpenSSL)

        work = None if login.work is None else id(login.work)
        text = repr((login.host, login.local_user, login.stored, login.password, work))
        return blake2b(text.encode(), key=self._key).digest()

    def _remember(self, digest: bytes) -> None:
        self._known[digest] = None
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)

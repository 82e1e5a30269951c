"""Checks passwords beside the loop: hashing takes long, and must hold up nobody else."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable

from netd.protocols.password import is_hashed, matches
from netd.runtime.loop import Loop
from netd.runtime.poller import READ

OnVerified = Callable[[bool], object]


class PasswordVerifier:
    """One thread, started with the first hash; answers come back on the loop.

    What wakes the loop is opened before there is anybody whose connection could take the last
    descriptor.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._asked: queue.SimpleQueue[tuple[str, str, OnVerified]] = queue.SimpleQueue()
        self._answered: deque[tuple[OnVerified, bool]] = deque()
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_working = False
        loop.watch(self._wakeup, READ, self._on_answers)

    def prepare(self) -> None:
        """Load what hashing takes now: later there may be no descriptor left to read it by."""
        import hashlib  # noqa: F401, PLC0415 (OpenSSL, for those who use it)
        import hmac  # noqa: F401, PLC0415 (as above)

    def verify(self, password: str, stored: str, on_verified: OnVerified) -> None:
        """Call back, later in this turn or in one to come, with whether it is right."""
        if not is_hashed(stored):
            right = matches(password, stored)
            self._loop.defer(lambda: on_verified(right))
            return
        if not self._is_working:
            self._start()
        self._asked.put((password, stored, on_verified))

    def _start(self) -> None:
        self._is_working = True
        threading.Thread(target=self._work, name="verifier", daemon=True).start()

    def _work(self) -> None:
        while True:
            password, stored, on_verified = self._asked.get()
            self._answered.append((on_verified, matches(password, stored)))
            os.eventfd_write(self._wakeup, 1)

    def _on_answers(self, _mask: int) -> None:
        os.eventfd_read(self._wakeup)
        while self._answered:
            on_verified, right = self._answered.popleft()
            on_verified(right)

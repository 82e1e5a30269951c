"""Checks passwords in a thread, since hashing takes too long for the loop."""

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
    """Checks hashes in one thread, which starts with the first hash; results come on the loop.

    The eventfd that wakes the loop is opened at once: later, connections can have taken all
    descriptors.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._requests: queue.SimpleQueue[tuple[str, str, OnVerified]] = queue.SimpleQueue()
        self._results: deque[tuple[OnVerified, bool]] = deque()
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._has_thread = False
        loop.watch(self._wakeup, READ, self._on_results)

    def prepare(self) -> None:
        """Import the hashing modules now: later there can be no descriptor left to read them."""
        import hashlib  # noqa: F401, PLC0415 (loads OpenSSL)
        import hmac  # noqa: F401, PLC0415 (as above)

    def verify(self, password: str, stored: str, on_verified: OnVerified) -> None:
        """Call `on_verified(is_right)`, at the end of this turn or in a later one."""
        if not is_hashed(stored):
            is_right = matches(password, stored)
            self._loop.defer(lambda: on_verified(is_right))
            return
        if not self._has_thread:
            self._start()
        self._requests.put((password, stored, on_verified))

    def _start(self) -> None:
        self._has_thread = True
        threading.Thread(target=self._work, name="verifier", daemon=True).start()

    def _work(self) -> None:
        while True:
            password, stored, on_verified = self._requests.get()
            self._results.append((on_verified, matches(password, stored)))
            os.eventfd_write(self._wakeup, 1)

    def _on_results(self, _mask: int) -> None:
        os.eventfd_read(self._wakeup)
        while self._results:
            on_verified, is_right = self._results.popleft()
            on_verified(is_right)

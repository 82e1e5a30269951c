"""Changes this process to another user, as systemd does for a unit with User=."""

from __future__ import annotations

import ctypes
import os
import pwd
from typing import Final

from netd.errors import IdentityError
from netd.runtime.errnos import describe

_PR_SET_KEEPCAPS: Final = 8  # prctl(2): setuid(2) then leaves the permitted capabilities
_CAP_NET_BIND_SERVICE: Final = 1 << 10
_VERSION_3: Final = 0x20080522  # capget(2): two sets of 32 bits for each kind of set
_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


def become(user: str) -> None:
    """Run as this user, in the user's groups, from now on. Raises IdentityError.

    Of root's capabilities only that for ports below 1024 stays, as in netd's unit.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise IdentityError(f"there is no user {user!r}") from error
    if entry.pw_uid == os.geteuid():
        return
    try:
        _libc.prctl(_PR_SET_KEEPCAPS, 1)
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    except OSError as error:
        raise IdentityError(f"cannot run as user {user!r}: {describe(error)}") from error
    _keep(_CAP_NET_BIND_SERVICE)


def _keep(capability: int) -> None:
    """Drop all capabilities except `capability`, which is kept if the process has it."""
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    _libc.capget(ctypes.byref(header), sets)
    kept = sets[0].permitted & capability
    sets[0], sets[1] = _Sets(kept, kept, 0), _Sets()
    _libc.capset(ctypes.byref(header), sets)

"""Sealed memory files: immutable content that travels as a descriptor (memfd_create(2)).

The receiver reads content that no process can change any more: F_SEAL_WRITE, fcntl(2). The kernel
frees the memory when the last descriptor is closed.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Final

from netd.errors import StateError
from netd.runtime.errnos import describe

_SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_MFD_NOEXEC_SEAL: Final = 0x8  # linux/memfd.h; not in Python's os
_CHUNK_BYTES: Final = 2**20


def seal(data: bytes, name: str = "netd") -> int:
    """Return a descriptor of a new sealed memory file; the caller closes it. Raises OSError.

    `name` is shown in /proc/PID/fd.
    """
    fd = _create(name)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(fd)
        raise
    return fd


def _create(name: str) -> int:
    """Create an empty memory file; the sysctl vm.memfd_noexec may demand that it is no program."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a kernel before 6.3
            raise
        return os.memfd_create(name, flags)


def is_sealed(fd: int) -> bool:
    """True if a descriptor is a memory file that no process can change any more."""
    try:
        return fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS == _SEALS
    except OSError:  # EINVAL: no memory file
        return False


def read(fd: int, max_bytes: int) -> bytes:
    """Return the whole content; the descriptor and its position stay as they are.

    Raises StateError if the descriptor is no sealed memory file, or has more than `max_bytes`.
    """
    if not is_sealed(fd):
        raise StateError("a saved state is not in a sealed memory file")
    try:
        size = os.fstat(fd).st_size
        if size > max_bytes:
            raise StateError(f"a saved state of {size} bytes is too large")
        content = bytearray()
        while len(content) < size:
            chunk = os.pread(fd, min(size - len(content), _CHUNK_BYTES), len(content))
            if not chunk:  # cannot happen with F_SEAL_SHRINK
                break
            content += chunk
    except OSError as error:
        raise StateError(f"a saved state cannot be read: {describe(error)}") from error
    return bytes(content)

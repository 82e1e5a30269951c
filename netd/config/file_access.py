"""Checks whether this process can use a file or a directory, without opening it.

Each function returns the reason as text, or an empty text if the file can be used. No file is
created, and no call waits for the other end of a FIFO.
"""

from __future__ import annotations

import os
import stat

_USABLE_LOGS = (stat.S_ISREG, stat.S_ISCHR)  # /dev/null, /dev/stdout and terminals are devices


def why_no_directory(path: str) -> str:
    """Why this process cannot search the directory; empty if it can."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return f"there is no directory {path}"
    except OSError as error:
        return _describe(path, error)
    if not stat.S_ISDIR(mode):
        return f"{path} is not a directory"
    return "" if os.access(path, os.X_OK) else f"{path}: permission denied"


def why_not_readable(path: str) -> str:
    """Why this process cannot read the regular file; empty if it can."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return _describe(path, error)
    if not stat.S_ISREG(mode):
        return f"{path} is not a regular file"
    return "" if os.access(path, os.R_OK) else f"{path}: permission denied"


def why_not_writable(path: str) -> str:
    """Why this process can neither write to the file nor create it; empty if it can."""
    fault = why_no_directory(os.path.dirname(path) or os.curdir)
    if fault:
        return fault
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return why_not_changeable(os.path.dirname(os.path.realpath(path)))
    except OSError as error:
        return _describe(path, error)
    if stat.S_ISDIR(mode):
        return f"{path} is a directory"
    if not any(is_usable(mode) for is_usable in _USABLE_LOGS):
        return f"{path} is not a regular file"
    return "" if os.access(path, os.W_OK) else f"{path}: permission denied"


def why_not_changeable(directory: str) -> str:
    """Why this process cannot create files in the directory; empty if it can."""
    fault = why_no_directory(directory)
    is_writable = os.access(directory, os.W_OK)
    return fault or ("" if is_writable else f"no file can be created in {directory}")


def _describe(path: str, error: OSError) -> str:
    return f"{path}: {(error.strerror or str(error)).lower()}"

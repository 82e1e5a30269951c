"""Keeps the code of modules that a running daemon may import later.

The files below a running daemon can become those of another version: a package is unpacked long
before the daemon is restarted. A module that was imported from them then would not fit the modules
that are in memory. The kept code is compiled and not run, so it takes little memory.
"""

from __future__ import annotations

import marshal
import os
import struct
import sys
from collections.abc import Collection, Iterator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source, spec_from_file_location
from types import ModuleType
from typing import Any, Final

_HEADER: Final = struct.Struct("<4sIII")  # of a cache file with a time stamp (PEP 552)
_TIME_STAMP: Final = 0  # its flags


def preload(package: ModuleType, *, without: Collection[str] = ()) -> None:
    """Keep the code of all modules of a package that are not imported yet, and its data files.

    From now on the import of such a module reads no file, nor does its `__loader__.get_data`.
    `without` names subpackages that are left out.
    """
    loader = _Loader()
    for directory in package.__path__:
        for path in _files(directory, {os.path.join(directory, name) for name in without}):
            relative, suffix = os.path.splitext(os.path.relpath(path, directory))
            if suffix == ".py":
                name = ".".join((package.__name__, *relative.split(os.sep)))
                loader.keep_code(name.removesuffix(".__init__"), path)
            elif suffix != ".md":
                loader.keep_data(path)
    sys.meta_path.insert(0, loader)


def _files(directory: str, without: Collection[str]) -> Iterator[str]:
    for entry in os.scandir(directory):
        if entry.is_file():
            yield entry.path
        elif entry.name != "__pycache__" and entry.path not in without:
            yield from _files(entry.path, without)


def _compiled(name: str, path: str) -> bytes:
    """The compiled code of a module, as its cache file has it if that is up to date."""
    loader = SourceFileLoader(name, path)
    stats = loader.path_stats(path)
    time, size = (int(stats[key]) & 0xFFFFFFFF for key in ("mtime", "size"))
    try:
        cached = loader.get_data(cache_from_source(path))
    except (OSError, NotImplementedError):  # Python writes and reads no cache files
        cached = b""
    if cached.startswith(_HEADER.pack(MAGIC_NUMBER, _TIME_STAMP, time, size)):
        return cached[_HEADER.size :]
    return marshal.dumps(loader.get_code(name))


class _Loader:
    """Finds and loads the modules whose code was kept."""

    def __init__(self) -> None:
        self._code: dict[str, tuple[str, bytes]] = {}
        self._data: dict[str, bytes] = {}

    def keep_code(self, name: str, path: str) -> None:
        if name not in sys.modules:
            self._code[name] = path, _compiled(name, path)

    def keep_data(self, path: str) -> None:
        with open(path, "rb") as file:
            self._data[path] = file.read()

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See importlib.abc.MetaPathFinder."""
        if name not in self._code:
            return None
        path, _ = self._code[name]
        is_package = os.path.basename(path) == "__init__.py"
        inside = [os.path.dirname(path)] if is_package else None
        loader: Any = self  # not an importlib.abc.Loader: that module imports twenty others
        return spec_from_file_location(name, path, loader=loader, submodule_search_locations=inside)

    def create_module(self, _spec: ModuleSpec) -> None:
        """See importlib.abc.Loader: the module is made in the usual way."""

    def exec_module(self, module: ModuleType) -> None:
        """See importlib.abc.Loader."""
        _, code = self._code[module.__name__]
        exec(marshal.loads(code), module.__dict__)  # noqa: S102, S302 (our own code)
        del self._code[module.__name__]  # not after a failure: it can be imported again

    def get_data(self, path: str) -> bytes:
        """See importlib.abc.ResourceLoader. Raises KeyError."""
        return self._data[path]

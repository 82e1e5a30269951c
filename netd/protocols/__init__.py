"""Formats and protocols that several parts of netd use, as pure code without sockets or clocks."""

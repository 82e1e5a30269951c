"""The supervisor: one single-threaded loop that owns the listening sockets and the workers."""

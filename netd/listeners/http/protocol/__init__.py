"""HTTP/1.1 without I/O: bytes in, events out (RFC 9110, 9112), and what answers are made of."""

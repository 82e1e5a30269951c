"""HTTP/1.1 without I/O (RFC 9110, RFC 9112): bytes to requests, and the parts of responses.

Of the listener it imports only the style of `pages`; it opens no socket and no file, and reads no
clock.
"""

"""Routes with `post`: scripts that post messages to the chat, and read it, by HTTP.

A hook is a member of the room that speaks for such routes. It is a client like any other one, whose
stream ends in this process (`hook_stream`) and not in a socket. `hook_client` speaks IRC on it, and
runs one request after the other; `requests` has their steps, `replies` makes messages of the lines
that come back. `hooks` takes the requests of HTTP workers, and bounds them; `event_stream` is the
connection of a client that gets events.
"""

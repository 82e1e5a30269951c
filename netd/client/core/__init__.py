"""The IRC client without I/O: server messages and typed lines go in, effects come out.

- `irc_client`: the entry: one client of one server, over any number of connections
- `handshake`: from a new connection to the server's welcome
- `server_messages`, `numeric_replies`: what a line of the server changes and shows
- `slash_commands`, `completion`: what the user types, and what the tab key offers
- `client_state`, `roster`, `casemap`: what is known of the server, its channels and members
- `outgoing`, `outbox`: the user's messages until the server has confirmed them
- `chat_events`: the effects; `event_format`, `sanitize`, `word_wrap`: events as text and JSON
- `endpoint`: where a server may be
"""

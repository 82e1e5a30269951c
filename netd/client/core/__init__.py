"""The IRC client without I/O: server messages and typed lines go in, effects come out.

- `irc_client`: the entry: one client of one server, over any number of connections
- `handshake`: from a new connection to the server's welcome
- `server_messages`, `numeric_replies`: the handlers of the server's messages
- `slash_commands`, `completion`: the handlers of typed lines and of the tab key
- `client_state`, `roster`, `casemap`: the state: channels, members, how names are compared
- `outgoing`, `outbox`: the user's messages until the server has confirmed them
- `chat_events`: the effects; `event_format`, `sanitize`, `word_wrap`: events as text and JSON
- `endpoint`: the address of a server
"""

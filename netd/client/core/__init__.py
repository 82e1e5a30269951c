"""The IRC client without I/O: server messages and typed lines go in, effects come out.

- `irc_client`: the entry: one client of one server, over any number of connections
- `handshake`: from a new connection to the server's welcome
- `server_messages`, `numeric_replies`: the handlers of the server's messages, with `chat_lines`
  (what users say), `batches`, `missed_messages`, `read_marks` and `nick_regain`
- `slash_commands`, `commands`, `completion`: the handlers of typed lines and of the tab key
- `client_state`, `conversations`, `roster`, `casemap`, `mode_changes`: the state
- `outgoing`, `multiline`, `outbox`, `paste_plan`: the user's messages until the server has
  confirmed them
- `chat_events`: the effects; `placement`: the conversations that show an event
- `desk`, `scrollback`, `crowds`, `bars`: what a screen shows
- `event_format`, `styled_text`, `sanitize`, `word_wrap`: events as text and JSON
- `secrets`: passwords in typed lines
- `endpoint`: the address of a server
"""

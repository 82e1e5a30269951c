"""netd-chat: an IRC client for the terminal and for scripts.

- `app`: the command: reads the arguments, starts a front end, sets the exit status
- `client_settings`: the command line and chat.toml
- `connector`: keeps the client connected, sends lines, passes events to the front end
- `server_connection`: one connection to a server
- `state_files`, `chat_log`: what is kept on disk: typed lines, conversations, and the log
- `pipe`: the front end for scripts; `stdin` reads its lines
- `screen`: the front end for a terminal
- `core`: the IRC client without I/O and without a clock

Imports point downwards: app -> pipe, screen -> connector -> server_connection -> core.
"""

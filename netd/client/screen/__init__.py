"""The terminal front end: shows events on a surface and takes typed lines.

- `terminal`: passes events to the surface, and what the user does to the connector
- `surface`, `hooks`: the interface of the surfaces, and what they call
- `full_screen`: a window for the current conversation, bars, and the input (prompt_toolkit)
- `messages_view`, `view_keys`: its windows and its keys
- `line_editor`: a line being edited below printed lines (prompt_toolkit)
- `reflow`: erases that line after the terminal became narrower
- `input_line`, `questions`: the input of both, with history, completion and pasted lines
- `steady_output`: keeps rows in place whatever width a terminal gives a character
- `crowd_hold`: joins and quits of many in one printed line
- `plain_lines`: prints and reads whole lines, for a terminal without cursor movement
- `presence`: whether the user is there, and what was read
"""

"""The terminal front end: shows events as lines of text and takes typed lines.

- `terminal`: formats the events, rings the bell, chooses a surface
- `surface`: the interface of both surfaces
- `line_editor`: a line being edited below the conversation (prompt_toolkit)
- `plain_lines`: prints and reads whole lines, for a terminal without cursor movement
"""

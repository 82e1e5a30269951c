"""The room: an IRC server without input or output.

`Room` takes lines and the time and returns effects; the listener carries them out. From the
bottom up: values (`numeric`, `capability`, `mode`, `mask`, `settings`), state (`member`,
`channel`, `history`, `state`), `effect`, `command_context`, `presence`, the commands, `dispatch`,
`room`.
"""

"""The slash commands, by what they are about; `slash_commands` has the table of all.

- `base`: one command, and what its arguments name
- `talking`: messages, answers and reactions
- `channels`: joining channels, their members, topics and modes
- `people`: users, the own nick, who is ignored
- `server`: the accounts, and commands that the server knows
- `windows`: conversations and what was said in them
"""

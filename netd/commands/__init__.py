"""The commands of `netd`: a module each, and the parts that they share.

The module of a command has `add_arguments(parser)`, and `run(arguments)`, which returns the exit
status or raises NetdError. `netd.cli` imports the module of the command that is run, and no other:
most commands need little of what the daemon needs. `config_file`, `output` and `password_prompt`
are what several of them share.
"""

"""The database of a chat listener, in SQLite: tables, and the threads that write and read.

`database` is what the loop uses: it passes changes to the `writer` and queries to the `reader`.
Each table has a module with its SQL; `tables` names them all. `schema` creates the tables, and
takes over the files of earlier versions.
"""

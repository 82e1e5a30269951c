"""One chat on several hosts: an ordered log in Redis or Valkey, which all of them apply.

Pure: `engine_address` (the URLs), `resp` (commands and replies), `log_entry` (what the engine
stores), `append_queue` (entries that are not in the log yet), `log_position` (what was applied),
`incarnations` (the names under which a node is in the room).
With I/O: `redis_connection` (one connection), `master_finder` (Redis Sentinel), `log_reader`
(entries in slices), `engine` (the two connections of a node), `checkpoints` (digests and snapshots,
which a child process computes).
`scripts` has the Lua scripts, which the engine executes atomically.

The room, pure, each module with the one before it as its base: `shared_room` (what is no client's
doing), `applying_room` (applies the log), `replicated_room` (puts what this host's clients do into
it), `splitting_room` (the loss and the return of a host, with `netsplit` and `arrival`),
`recovering_room` (loads the state again, with `returning`, `earlier_room`, `missed_messages` and
`catch_up`).
"""

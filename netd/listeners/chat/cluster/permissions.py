"""The commands of the engine that a node may not execute.

They are renamed (`rename-command` in redis.conf), or the ACL of the user forbids them. The error of
a script does not name the command, so each command that the scripts call is tried before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netd.listeners.chat.cluster.resp import Argument, Reply, ReplyError
from netd.listeners.chat.cluster.scripts import Keys, Script

TRY: Final = Script("""
-- Tries each command on a key that does not exist, and is empty afterwards.
local scratch, refused = KEYS[1] .. ':try', {}
local function try(name, ...)
  local reply = redis.pcall(name, ...)
  local fault = type(reply) == 'table' and reply.err or ''
  for _, part in ipairs({'nknown', "can't run", 'to run the'}) do
    if string.find(fault, part, 1, true) then
      refused[#refused + 1] = name
      return
    end
  end
end
try('TIME')
try('EXISTS', scratch)
try('DEL', scratch)
try('HGET', scratch, 'field')
try('HMGET', scratch, 'field')
try('HKEYS', scratch)
try('HSET', scratch, 'field', '')
try('HSETNX', scratch, 'field', '')
try('HDEL', scratch, 'field')
try('XADD', scratch, 'NOMKSTREAM', '*', 'field', '')
try('XRANGE', scratch, '-', '+')
try('XREVRANGE', scratch, '+', '-')
try('XTRIM', scratch, 'MAXLEN', '0')
try('XINFO', 'STREAM', scratch)
return refused
""")
"""Returns the names of the commands that are refused."""


def reading_commands(keys: Keys) -> Sequence[Sequence[Argument]]:
    """The commands that a node executes beside the scripts; their errors name them."""
    return (
        ("INFO", "server"),
        ("HGETALL", keys.snapshot),
        ("HGET", keys.meta, "number"),
        ("XREAD", "COUNT", 1, "STREAMS", keys.log, "$"),
    )


def describe_refused(reply: Reply) -> str:
    """The fault that a reply to TRY shows; empty if all commands can be executed."""
    match reply:
        case ReplyError():
            return str(reply)
        case [bytes(), *_] as names:
            listed = b", ".join(name for name in names if isinstance(name, bytes)).decode()
            return (
                f"commands cannot be executed: {listed}; they are renamed (`rename-command`), or "
                "the ACL of the user forbids them"
            )
    return ""

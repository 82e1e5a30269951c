"""The Lua scripts that the engine executes, each one atomically.

All keys of a room have one hash tag, so that they are in one slot of a Redis Cluster:

- `log`: the stream of entries.
- `meta`: a hash with the `epoch`, its `base`, the `run` of the engine, and the `number` and `time`
  of the last entry; and the `level` of the room's rules, with the `version` that has raised it. The
  field `gone:NODE` has `<incarnation> <sequence>` of a node that was removed, until it joins again;
  there are at most about a thousand.
- `nodes`: a hash of each node's name to `<incarnation> <sequence> <deadline> <since> <level>`; it
  has met its deadlines since that time. Times are in milliseconds by the engine's clock. The level
  is the highest one that the node can apply.
- `snapshot`: a hash with `epoch`, `number`, `digest` and `state`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and the SHA-1 by which EVALSHA names it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False)
        object.__setattr__(self, "sha", digest.hexdigest())


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of a room's keys."""

    name: str

    @property
    def log(self) -> str:
        """The stream of entries."""
        return self._key("log")

    @property
    def meta(self) -> str:
        """The state of the log."""
        return self._key("meta")

    @property
    def nodes(self) -> str:
        """The nodes, with their deadlines."""
        return self._key("nodes")

    @property
    def snapshot(self) -> str:
        """The state of the room at a position of the log."""
        return self._key("snapshot")

    def all(self) -> tuple[str, str, str, str]:
        """The keys in the order in which the scripts take them."""
        return self.log, self.meta, self.nodes, self.snapshot

    def _key(self, part: str) -> str:
        return f"netd:{{{self.name}}}:{part}"


FENCED: Final = "FENCED"
"""The code of the error that the node is not in the room, or another process has continued it."""
SEQUENCE: Final = "SEQUENCE"
"""The code of the error that earlier inputs of the incarnation are not in the log, nor will be."""
LEVEL: Final = "LEVEL"
"""The code of the error that the room's level is higher; that, and the version, come after it."""

_COMMON: Final = """
local log, meta, nodes, snapshot = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function read_node(name)
  local text = redis.call('HGET', nodes, name)
  if not text then return nil end
  local incarnation, sequence, deadline, since, level =
    string.match(text, '^(%S+) (%S+) (%S+) (%S+) ?(%S*)$')
  return {incarnation = incarnation, sequence = tonumber(sequence),
    deadline = tonumber(deadline), since = tonumber(since), level = tonumber(level) or 1}
end
local function write_node(name, node)
  redis.call('HSET', nodes, name, string.format('%s %.0f %.0f %.0f %.0f',
    node.incarnation, node.sequence, node.deadline, node.since, node.level))
end
local function renew(node, time_to_live)
  local now = now_ms()
  if node.deadline < now or node.since > now then node.since = now end
  node.deadline = now + time_to_live
  return now
end
local function room_level()
  return tonumber(redis.call('HGET', meta, 'level') or '1')
end
local function refusal(level)
  if room_level() <= tonumber(level) then return nil end
  local state = redis.call('HMGET', meta, 'level', 'version')
  return redis.error_reply(string.format('LEVEL %s %s', state[1], state[2]))
end
local function append(...)
  local state = redis.call('HMGET', meta, 'epoch', 'number', 'time')
  local number = tonumber(state[2]) + 1
  local time = math.max(now_ms(), tonumber(state[3]))
  redis.call('XADD', log, string.format('%s-%.0f', state[1], number),
    't', string.format('%.0f', time), ...)
  redis.call('HSET', meta, 'number', string.format('%.0f', number),
    'time', string.format('%.0f', time))
  return number
end
"""

OPEN: Final = Script(
    _COMMON
    + """
-- ARGV: the engine's run id, the latest epoch that the node knows, the level that it can apply
local refused = refusal(ARGV[3])
if refused then return refused end
local function split(id)
  local epoch, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(epoch), tonumber(number)
end
local function last_id()
  if redis.call('EXISTS', log) == 0 then return nil end
  local info = redis.call('XINFO', 'STREAM', log)
  for index = 1, #info, 2 do
    if info[index] == 'last-generated-id' then return info[index + 1] end
  end
end
local function last_number()
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  local _, number = split(last and last[1] or '0-0')
  return math.max(number, tonumber(redis.call('HGET', snapshot, 'number') or '0'))
end
local function remove_foreign(latest, last)
  local removed = 0
  local entries = redis.call('XRANGE', log, '-', '+')
  redis.call('DEL', log)
  for _, entry in ipairs(entries) do
    local epoch, number = split(entry[1])
    if epoch <= latest and number <= last then
      redis.call('XADD', log, entry[1], unpack(entry[2]))
    else
      removed = removed + 1
    end
  end
  return removed
end
local state = redis.call('HMGET', meta, 'epoch', 'number', 'base', 'run')
local epoch, number = tonumber(state[1] or '0'), tonumber(state[2] or last_number())
local removed, last = 0, last_id()
if last and state[1] then
  local last_epoch, last_number = split(last)
  if last_epoch > epoch or last_number ~= number then removed = remove_foreign(epoch, number) end
end
if state[4] == ARGV[1] and removed == 0 then return {epoch, number, tonumber(state[3]), 0} end
epoch = math.max(epoch + 1, tonumber(ARGV[2]) + 1, now_ms())
local text = string.format('%.0f', number)
redis.call('HSET', meta, 'epoch', string.format('%.0f', epoch), 'number', text, 'base', text,
  'run', ARGV[1])
redis.call('HSETNX', meta, 'time', '0')
return {epoch, number, number, removed}
"""
)
"""Begin an epoch if the engine is a new run.

Returns the epoch, the last number, the base, and how many entries were removed. These have ids that
no script has given, so another user of the engine has added them, and further entries could not be
appended after them. A new epoch has those nodes load the room again that have applied some. If the
state of the log was removed, it is made again of the last entry.

An epoch is at least the engine's time in ms, so that it differs from all epochs before its data
were lost.
"""

JOIN: Final = Script(
    _COMMON
    + """
-- ARGV: node, incarnation, the time to live in ms, the level that it can apply
local refused = refusal(ARGV[4])
if refused then return refused end
local before = read_node(ARGV[1])
if before then
  append('k', 'l', 'n', ARGV[1], 'i', before.incarnation)
end
append('k', 'j', 'n', ARGV[1], 'i', ARGV[2])
local now = now_ms()
write_node(ARGV[1], {incarnation = ARGV[2], sequence = 0, deadline = now + tonumber(ARGV[3]),
  since = now, level = tonumber(ARGV[4])})
local gone = redis.call('HGET', meta, 'gone:' .. ARGV[1])
redis.call('HDEL', meta, 'gone:' .. ARGV[1])
if before then return {before.incarnation, before.sequence} end
local incarnation, sequence = string.match(gone or '', '^(%S+) (%S+)$')
return {incarnation or '', tonumber(sequence or '0')}
"""
)
"""Add a node as a new incarnation.

Returns its incarnation before that, with the number of its last input: entries that it has not read
can be in the snapshot alone.
Refused, as OPEN and TAKE_OVER are, if the room's level is higher than the node can apply.
"""

STATUS: Final = Script(
    _COMMON
    + """
-- ARGV: node, incarnation, the time to live in ms
local node = read_node(ARGV[1])
if not node then return {'', 0} end
if node.incarnation == ARGV[2] then
  renew(node, tonumber(ARGV[3]))
  write_node(ARGV[1], node)
end
return {node.incarnation, node.sequence}
"""
)
"""Renew a node's deadline; returns its incarnation and the number of its last input.

It writes, so that an engine that takes no writes is noticed before lines are sent to it.
"""

TAKE_OVER: Final = Script(
    _COMMON
    + """
-- ARGV: node, its incarnation so far, its next one, the time to live in ms, its level
local refused = refusal(ARGV[5])
if refused then return refused end
local node = read_node(ARGV[1])
if not node or node.incarnation ~= ARGV[2] then return redis.error_reply('FENCED node') end
node.incarnation = ARGV[3]
node.deadline = now_ms() + tonumber(ARGV[4])
node.level = tonumber(ARGV[5])
write_node(ARGV[1], node)
return {ARGV[2], node.sequence}
"""
)
"""Continue a node in another process, and refuse what the earlier one still sends.

Returns its incarnation so far, and the number of its last input.
"""

MOVE: Final = Script(
    _COMMON
    + """
-- ARGV: a node that has ended, its incarnation, the node that takes its clients, its incarnation
local ended, taker = read_node(ARGV[1]), read_node(ARGV[3])
if not taker or taker.incarnation ~= ARGV[4] then return redis.error_reply('FENCED node') end
if not ended or ended.incarnation ~= ARGV[2] then return 0 end
local sequence = string.format('%.0f', ended.sequence)
local number = append('k', 'm', 'n', ARGV[1], 'i', ARGV[3], 's', sequence)
redis.call('HDEL', nodes, ARGV[1])
return number
"""
)
"""Give the clients of a node that has ended to another one; returns 0 if it is no node any more."""

APPEND: Final = Script(
    _COMMON
    + """
-- ARGV: epoch, node, incarnation, sequence number of the first input, the inputs
if redis.call('HGET', meta, 'epoch') ~= ARGV[1] then return redis.error_reply('EPOCH changed') end
local node = read_node(ARGV[2])
if not node or node.incarnation ~= ARGV[3] then return redis.error_reply('FENCED node') end
local skipped = node.sequence - tonumber(ARGV[4]) + 1
local count = #ARGV - 4
if skipped >= count then return 0 end
if skipped < 0 then return redis.error_reply('SEQUENCE has a gap') end
local fields = {'k', 'i', 'n', ARGV[2], 'i', ARGV[3],
  's', string.format('%.0f', node.sequence + 1)}
for index = skipped + 1, count do
  fields[#fields + 1] = 'p'
  fields[#fields + 1] = ARGV[4 + index]
end
local number = append(unpack(fields))
node.sequence = node.sequence + count - skipped
write_node(ARGV[2], node)
return number
"""
)
"""Append the inputs that the log does not have, as one entry; returns its number, 0 for none."""

RENEW: Final = Script(
    _COMMON
    + """
-- ARGV: node, incarnation, the time to live in ms, the version of the node
local node = read_node(ARGV[1])
if not node or node.incarnation ~= ARGV[2] then return redis.error_reply('FENCED node') end
local time_to_live = tonumber(ARGV[3])
local now = renew(node, time_to_live)
write_node(ARGV[1], node)
local reaped = 0
if now - node.since > time_to_live then
  for _, name in ipairs(redis.call('HKEYS', nodes)) do
    local other = read_node(name)
    if other and other.deadline < now then
      append('k', 'l', 'n', name, 'i', other.incarnation)
      redis.call('HDEL', nodes, name)
      if #redis.call('HKEYS', meta) < 1000 then
        redis.call('HSET', meta, 'gone:' .. name,
          string.format('%s %.0f', other.incarnation, other.sequence))
      end
      reaped = reaped + 1
    elseif other and other.deadline > now + 2 * time_to_live then
      other.deadline = now + time_to_live
      write_node(name, other)
    end
  end
end
local level = node.level
for _, name in ipairs(redis.call('HKEYS', nodes)) do
  level = math.min(level, read_node(name).level)
end
if level > room_level() then
  append('k', 'v', 'n', ARGV[1], 'i', ARGV[4], 's', string.format('%.0f', level))
  redis.call('HSET', meta, 'level', string.format('%.0f', level), 'version', ARGV[4])
end
return reaped
"""
)
"""Renew a node's deadline, and remove the nodes that have passed theirs; returns their number.

Raises the level of the room to the highest one that all nodes can apply.

Only a node removes others that has met its own deadlines for a time to live: when the engine was
away, or its clock was set forward, all nodes have missed theirs. When the clock was set back,
deadlines are far away, and are brought near.
"""

LEAVE: Final = Script(
    _COMMON
    + """
-- ARGV: node, incarnation, the reason
local node = read_node(ARGV[1])
if not node or node.incarnation ~= ARGV[2] then return 0 end
local number = append('k', 'l', 'n', ARGV[1], 'i', ARGV[2], 'r', ARGV[3])
redis.call('HDEL', nodes, ARGV[1])
return number
"""
)
"""Remove a node that ends; its members leave for a reason."""

KEEP: Final = Script(
    _COMMON
    + """
-- ARGV: epoch and number of the position, digest, state; how many entries before it are kept
if redis.call('HGET', meta, 'epoch') ~= ARGV[1] then return redis.error_reply('EPOCH changed') end
local kept = tonumber(redis.call('HGET', snapshot, 'number') or '-1')
local number = tonumber(ARGV[2])
if kept >= number and redis.call('HGET', snapshot, 'epoch') == ARGV[1] then return 0 end
redis.call('HSET', snapshot, 'epoch', ARGV[1], 'number', ARGV[2], 'digest', ARGV[3],
  'state', ARGV[4])
append('k', 'c', 'n', '', 'i', ARGV[3], 's', ARGV[2])
local last = tonumber(redis.call('HGET', meta, 'number'))
redis.call('XTRIM', log, 'MAXLEN', '~', string.format('%.0f', last - number + tonumber(ARGV[5])))
return 1
"""
)
"""Keep a snapshot, unless there is a later one, and remove entries that it makes superfluous."""

ALL: Final = (OPEN, JOIN, STATUS, TAKE_OVER, MOVE, APPEND, RENEW, LEAVE, KEEP)

"""What Redis must do as one step, in Lua: write, restore, confirm, renew.

Revisions are microseconds since the epoch and fit a double exactly. They travel as text, since Lua
and cjson print large numbers rounded.
"""

from __future__ import annotations

from typing import Final

# KEYS: state, done, audit.
# ARGV: bell, least revision, last moment (microseconds), how long the id is remembered (ms),
#       length of the audit, its line, the newest revision that a rollback may have which the
#       words end ('' for any), then field and text without revision, again and again.
# Returns: written | again | late | newer, the audit's error or '', the hash.
WRITE: Final = """
local function number(text)
  local value = tonumber(text or '')
  -- What is no revision, or beyond what a double counts, is as good as none.
  if not value or value ~= value or value < 0 or value > 9007199254739968 then return 0 end
  return value
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local outcome, trouble = 'again', ''
if redis.call('EXISTS', KEYS[2]) == 0 then
  local newer = false
  for i = 8, #ARGV, 2 do
    local there = redis.call('HGET', KEYS[1], ARGV[i]) or ''
    local revision = string.match(there, '^(%d+) {"on":true')
    newer = newer or ARGV[7] ~= '' and number(revision) > tonumber(ARGV[7])
  end
  if now > tonumber(ARGV[3]) then
    outcome = 'late'
  elseif newer then
    outcome = 'newer'
  else
    outcome = 'written'
    local before = redis.call('HGET', KEYS[1], 'rev') or '0'
    local revision = math.max(number(before) + 1, tonumber(ARGV[2]), now)
    local text = string.format('%.0f', revision)
    redis.call('SET', KEYS[2], text, 'PX', ARGV[4])
    local message = {'words', before, text}
    for i = 8, #ARGV, 2 do
      local word = text .. ' ' .. ARGV[i + 1]
      redis.call('HSET', KEYS[1], ARGV[i], word)
      table.insert(message, ARGV[i])
      table.insert(message, word)
    end
    redis.call('HSET', KEYS[1], 'rev', text)
    redis.pcall('PUBLISH', ARGV[1], cjson.encode(message))
    local kept = redis.pcall('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*',
                             'revision', text, 'line', ARGV[6])
    if type(kept) == 'table' and kept.err then trouble = kept.err end
  end
end
return {outcome, trouble, redis.call('HGETALL', KEYS[1])}
"""

# KEYS: state. ARGV: bell, least revision, then field, text expected there ('' for none), text.
# A field that changed meanwhile is left alone: whoever changed it knows more.
# Returns: how many fields were written, the hash.
RESTORE: Final = """
local function number(text)
  local value = tonumber(text)
  if not value or value ~= value or value < 0 or value > 9007199254739968 then return 0 end
  return value
end
local before = redis.call('HGET', KEYS[1], 'rev') or '0'
local known = number(before)
local message = {'words', before, ''}
local written = 0
for i = 3, #ARGV, 3 do
  local there = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  if there == ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    table.insert(message, ARGV[i])
    table.insert(message, ARGV[i + 2])
    written = written + 1
  end
end
local revision = math.max(known, tonumber(ARGV[2]))
if written > 0 and revision == known then revision = known + 1 end
if revision > known then
  local text = string.format('%.0f', revision)
  redis.call('HSET', KEYS[1], 'rev', text)
  message[3] = text
  redis.pcall('PUBLISH', ARGV[1], cjson.encode(message))
end
return {written, redis.call('HGETALL', KEYS[1])}
"""

# KEYS: acks. ARGV: boot, ack, then the channels of those who wait for it. One that cannot be
# published is found in the hash.
CONFIRM: Final = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
for i = 3, #ARGV do redis.pcall('PUBLISH', ARGV[i], ARGV[2]) end
return #ARGV - 2
"""

# KEYS: leases, facts, acks. ARGV: boot, facts, ack or '', length of the lease and of the memory
# of those whose lease has ended (both ms).
RENEW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[5]))
for _, boot in ipairs(gone) do
  redis.call('ZREM', KEYS[1], boot)
  redis.call('HDEL', KEYS[2], boot)
  redis.call('HDEL', KEYS[3], boot)
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[4]), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', KEYS[3], ARGV[1], ARGV[3]) end
return #gone
"""

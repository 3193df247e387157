-- One write to a space: repeats, fence, guards, limits, version and values, or nothing.
-- The meaning is core.entries.decide; values that an operation computes come with the version they were computed from.
--
-- KEYS  tally, entries, ops, fences, wiped
-- ARGV  one packed list: at_ms, session, principal, op, lock, sequence, value_bytes, keys, store_bytes,
--       tombstones_kept, changes, each of them: key, if_version, computed from version, value, expires_at_ms, owner
-- Where there is none of something, it is false; the server itself has no principal.
local tally_key, entries_key, ops_key, fences_key, wiped_key = unpack(KEYS)
local at, session, principal, op, lock, sequence, value_limit, keys_limit, bytes_limit, kept, changes =
  unpack(cmsgpack.unpack(ARGV[1]))
local count = #changes
-- Members of a change, and of a packed entry.
local KEY, GUARD, BASE, VALUE, ENDS, OWNER = 1, 2, 3, 4, 5, 6
local VERSION, EXPIRES, TEXT = 2, 4, 8

if redis.call('EXISTS', wiped_key) == 1 then return {'wiped'} end

local found = redis.call('HMGET', tally_key, 'version', 'keys', 'bytes', 'tombstones')
local version, keys = tonumber(found[1] or 0), tonumber(found[2] or 0)
local bytes, tombstones = tonumber(found[3] or 0), tonumber(found[4] or 0)

local present, packed = {}, {}
for i = 1, count do
  packed[i] = redis.call('HGET', entries_key, changes[i][KEY])
  present[i] = packed[i] and cmsgpack.unpack(packed[i]) or {false, 0, false, false, false, false, false, false}
end

if op and session then
  local last = tonumber(redis.call('HGET', ops_key, session) or nil)
  if last and op <= last then return {'repeated', version, unpack(packed, 1, count)} end
end
if lock then
  local last = tonumber(redis.call('HGET', fences_key, lock) or nil)
  if last and sequence < last then return {'fenced'} end
end

for i = 1, count do
  local entry, guard, base = present[i], changes[i][GUARD], changes[i][BASE]
  if base and base ~= entry[VERSION] then return {'raced'} end
  if guard then
    local alive = entry[TEXT] and not (guard == 0 and entry[EXPIRES] and entry[EXPIRES] <= at)
    if guard ~= (alive and entry[VERSION] or 0) then return {'conflict', i, packed[i]} end
  end
end

local keys_after, bytes_after, tombstones_after = keys, bytes, tombstones
for i = 1, count do
  local key, old, text = changes[i][KEY], present[i], changes[i][VALUE]
  if text and #text > value_limit then return {'value', #text} end
  if old[TEXT] then
    keys_after, bytes_after = keys_after - 1, bytes_after - #key - #old[TEXT]
  elseif old[VERSION] > 0 then
    tombstones_after = tombstones_after - 1
  end
  if text then
    keys_after, bytes_after = keys_after + 1, bytes_after + #key + #text
  else
    tombstones_after = tombstones_after + 1
  end
end
if keys_after > keys_limit and keys_after > keys then return {'keys', keys_after} end
if bytes_after > bytes_limit and bytes_after > bytes then return {'bytes', bytes_after} end

-- Nothing was written up to here.
if op and session then redis.call('HSET', ops_key, session, op) end
if lock then redis.call('HSET', fences_key, lock, sequence) end
if count == 0 then return {'unchanged', version} end

version = version + 1
for i = 1, count do
  local change = changes[i]
  redis.call('HSET', entries_key, change[KEY], cmsgpack.pack({
    change[KEY], version, at, change[ENDS], change[OWNER], session, principal, change[VALUE],
  }))
end

local floor = false
if tombstones_after > 2 * kept then
  -- Forget the older deletions. Those of one write share a version and go together.
  local dead = {}
  for _, raw in ipairs(redis.call('HVALS', entries_key)) do
    local entry = cmsgpack.unpack(raw)
    if not entry[TEXT] then dead[#dead + 1] = entry end
  end
  table.sort(dead, function(a, b) return a[VERSION] > b[VERSION] end)
  floor = dead[kept + 1][VERSION]
  tombstones_after = 0
  for _, entry in ipairs(dead) do
    if entry[VERSION] <= floor then
      redis.call('HDEL', entries_key, entry[1])
    else
      tombstones_after = tombstones_after + 1
    end
  end
end
redis.call('HSET', tally_key, 'version', version, 'keys', keys_after, 'bytes', bytes_after,
  'tombstones', tombstones_after)
if floor then redis.call('HSET', tally_key, 'floor', floor) end
return {'written', version}

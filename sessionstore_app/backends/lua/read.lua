-- A space at one instant, for reads and for writes whose values are computed outside.
--
-- KEYS  tally, entries, ops, fences, wiped
-- ARGV  session, lock, then the keys wanted; none: all
-- Returns wiped (0 or 1), version, keys, bytes, tombstones, floor, the session's last op, the lock's last sequence,
-- then the packed entries that there are.
local session, lock = ARGV[1], ARGV[2]
local found = redis.call('HMGET', KEYS[1], 'version', 'keys', 'bytes', 'tombstones', 'floor')
local answer = {redis.call('EXISTS', KEYS[5])}
for i = 1, 5 do answer[i + 1] = tonumber(found[i] or 0) end
answer[7] = session ~= '' and redis.call('HGET', KEYS[3], session)
answer[8] = lock ~= '' and redis.call('HGET', KEYS[4], lock)
if #ARGV == 2 then
  for _, raw in ipairs(redis.call('HVALS', KEYS[2])) do answer[#answer + 1] = raw end
else
  for i = 3, #ARGV do
    local raw = redis.call('HGET', KEYS[2], ARGV[i])
    if raw then answer[#answer + 1] = raw end
  end
end
return answer

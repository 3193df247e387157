-- Empty a space for good: a mark refuses what comes late.
--
-- KEYS  tally, entries, ops, fences, wiped
-- ARGV  at_ms
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('SET', KEYS[5], ARGV[1])
return 1

-- facts: the counters of a partition, and what `finished` is decided by. ARGV: most pages, deepest depth, most bytes, now. Answers
-- queued, leased, done, failed, skipped, ok pages, bytes, all that was ever added, whether requisites wait, the lowest rank that waits, hosts
-- that nobody holds and that are due.

set_limits(ARGV[1], ARGV[2], ARGV[3])
local counters = call('HMGET', P .. 'n', 'queued', 'leased', 'done', 'failed', 'skipped', 'ok_pages', 'size', 'added')
for at = 1, 8 do counters[at] = counters[at] or '0' end
counters[9] = has_requisites() and 1 or 0
counters[10] = exact(lowest_rank() or -1)
counters[11] = call('ZCOUNT', P .. 'due', '-inf', exact(time(ARGV[4])))
return counters

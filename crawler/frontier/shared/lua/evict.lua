-- evict: ends all leases of a holder that has died. ARGV: now, who.

local now = time(ARGV[1])
for _, host in ipairs(call('ZRANGE', P .. 'held', 0, -1)) do
  if call('HGET', P .. 'h:' .. host, 'holder') == ARGV[2] then reclaim(host, now) end
end
call('ZREM', P .. 'workers', worker_of(ARGV[2]))
close()

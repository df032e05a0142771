-- reopen: hosts that were given up get another chance. ARGV: now, most hosts. Answers how many URLs that are, and whether there are more.

local now, back = time(ARGV[1]), 0
for _, host in ipairs(call('SRANDMEMBER', P .. 'closed', tonumber(ARGV[2]))) do
  local key, number = P .. 'f:' .. host, 0
  if not call('ZSCORE', P .. 'held', host) then
    local entries = call('LRANGE', key, 0, -1)
    for _, entry in ipairs(entries) do
      local rank = rank_of(entry)
      if call('RPUSH', P .. 'q:' .. rank .. ':' .. host, sub(entry, 1, 9) .. string.char(byte(entry, 10) >= 128 and 128 or 0) .. sub(entry, 11)) == 1 then
        call('ZADD', P .. 'k:' .. host, rank, rank)
      end
      if rank == -1 then call('HINCRBY', P .. 'requisites', host, 1) end
      count('r' .. rank, 1)
    end
    number = #entries
    call('DEL', key)
    call('HSET', P .. 'h:' .. host, 'closed', '', 'next_at', exact(now))
    if call('HINCRBY', P .. 'h:' .. host, 'queued', number) > 0 then call('ZADD', P .. 'due', exact(now), host) end
    count('failed', -number)
    count('queued', number)
    count('added', number)
    back = back + number
  end
  call('SREM', P .. 'closed', host)
end
close()
return { back, call('SCARD', P .. 'closed') }

-- begin: which run of the server this is. ARGV: now, its name, seconds since it was started, 1 if it may have forgotten its last moments.
-- Answers 1 when nobody has said so before and it may.

local now, known = time(ARGV[1]), call('HGET', P .. 'server', 'run')
if known ~= ARGV[2] then
  call('HSET', P .. 'server', 'run', ARGV[2])
  -- Seconds are whole ones there.
  if known and ARGV[4] == '1' then
    call('HSET', P .. 'server', 'since', exact(math.min(now, now - tonumber(ARGV[3]) + 1)))
    return 1
  end
end
return 0

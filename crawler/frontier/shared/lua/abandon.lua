-- abandon: ends leases whose holder is about to learn that they are lost. ARGV: now, seconds that it may take, then host and token of each.

local now = time(ARGV[1]) + tonumber(ARGV[2])
for at = 3, #ARGV, 2 do
  if is_held(ARGV[at], ARGV[at + 1]) then reclaim(ARGV[at], now) end
end
close()

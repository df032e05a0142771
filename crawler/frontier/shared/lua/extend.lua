-- extend: the same leases for longer, each with further URLs. ARGV: now, URLs of each, seconds, most pages, deepest depth, most bytes,
-- then host and token of each. Answers now, when one of those that got nothing is due, and for each that is held its number, 1 if it is to be given back, and its entries.

local now, per_host, ttl = time(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
set_limits(ARGV[4], ARGV[5], ARGV[6])
local kept, due = {}, nil
for at = 7, #ARGV, 2 do
  local host = ARGV[at]
  if is_held(host, ARGV[at + 1]) then
    call('ZADD', P .. 'held', exact(now + ttl), host)
    local goes = leaves(host)
    local entries = goes == 1 and {} or take_head(host, per_host, now)
    kept[#kept + 1] = { (at - 7) / 2, goes, entries }
    if #entries == 0 and per_host > 0 and goes == 0 then
      local _, deepest = head(1)
      local first = next_due(host, deepest)
      if first and first > now and (not due or first < due) then due = first end
    end
  end
end
close()
return { exact(now), due and exact(due) or '', kept }

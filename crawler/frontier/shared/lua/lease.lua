-- lease: hosts that are due and free, each with the head of its queue. ARGV: now, hosts, URLs of each, seconds, most pages, deepest depth,
-- most bytes, most URLs in all, who asks. Answers now, when the next host is due, and for each lease its host, token, next time, state, robots.txt
-- and entries.

local now = time(ARGV[1])
local hosts, per_host, ttl, room = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[8])
set_limits(ARGV[5], ARGV[6], ARGV[7])
-- When the last lease ends that was given before the server was started and that it may not remember.
local calm = (tonumber(call('HGET', P .. 'server', 'since') or '') or -math.huge) + ttl

local who, worker, others, fair = ARGV[9], worker_of(ARGV[9]), {}, nil
local mine = tonumber(call('HGET', P .. 'holding', worker) or 0)
call('ZADD', P .. 'workers', exact(now), worker)
call('ZREMRANGEBYSCORE', P .. 'workers', '-inf', exact(now - RECENT))

for _, host in ipairs(call('ZRANGEBYSCORE', P .. 'held', '-inf', '(' .. exact(now), 'LIMIT', 0, 100)) do reclaim(host, now) end

if limits.depth then -- when a further depth has opened, hosts that waited for it are due again
  local open = format('%.0f', open_rank())
  if call('HGET', P .. 'n', 'open') ~= open then
    call('HSET', P .. 'n', 'open', open)
    for _, host in ipairs(call('ZRANGEBYSCORE', P .. 'due', NEVER, '+inf')) do
      call('ZADD', P .. 'due', call('HGET', P .. 'h:' .. host, 'next_at') or '0', host)
    end
  end
elseif call('HDEL', P .. 'n', 'open') == 1 then -- there was a limit, and there is none any more
  for _, host in ipairs(call('ZRANGEBYSCORE', P .. 'due', NEVER, '+inf')) do
    call('ZADD', P .. 'due', call('HGET', P .. 'h:' .. host, 'next_at') or '0', host)
  end
end

local function is_open() return pages(1) > 0 end

-- Of the hosts that have requisites waiting: those that are due, or when the next one is.
local function with_requisites(most)
  local due, next_at = {}, nil
  for _, host in ipairs(call('HKEYS', P .. 'requisites')) do
    if not call('ZSCORE', P .. 'held', host) then
      local at = math.max(tonumber(call('HGET', P .. 'h:' .. host, 'next_at') or 0), next_due(host, -1) or NEVER)
      if at <= now and #due < most then due[#due + 1] = host end
      if not next_at or at < next_at then next_at = at end
    end
  end
  return due, next_at
end

local function due_hosts(most)
  if most <= 0 or now < calm then return {} end
  if is_open() then return call('ZRANGEBYSCORE', P .. 'due', '-inf', exact(now), 'LIMIT', 0, most) end
  return has_requisites() and with_requisites(most) or {}
end

-- Workers that ask for hosts share them alike, as soon as one of them could have more.
for _, one in ipairs(call('ZRANGE', P .. 'workers', 0, -1)) do
  if one ~= worker then others[#others + 1] = one end
end
if #others > 0 and now >= calm then
  local all = call('ZCARD', P .. 'held') + call('ZCOUNT', P .. 'due', '-inf', exact(now))
  fair = math.ceil(all / (#others + 1))
  hosts = math.max(0, math.min(hosts, fair - mine))
end

local leases, urls = {}, 0
local candidates = due_hosts(hosts)
while #candidates > 0 and urls < room do
  for _, host in ipairs(candidates) do
    if urls >= room then break end
    local entries = take_head(host, math.min(per_host, room - urls), now)
    if #entries > 0 then
      urls = urls + #entries
      local facts = call('HMGET', P .. 'h:' .. host, 'token', 'next_at', 'state', 'robots', 'delay', 'least')
      local rested = calm + math.max(tonumber(facts[5] or 0), tonumber(facts[6] or 0)) -- a holder that is forgotten may have asked until then
      -- Grows also when what the server knew last was lost with it.
      local token = format('%.0f', math.max(tonumber(facts[1] or 0) + 1, floor(now * 1000)))
      call('HSET', P .. 'h:' .. host, 'token', token, 'holder', who)
      call('HDEL', P .. 'h:' .. host, 'put_off')
      call('ZADD', P .. 'held', exact(now + ttl), host)
      call('ZREM', P .. 'due', host)
      leases[#leases + 1] = { host, token, exact(math.max(tonumber(facts[2] or 0), rested)), facts[3] or '', facts[4] or '', entries }
    elseif is_open() then
      local at = next_due(host, open_rank()) or NEVER
      call('ZADD', P .. 'due', exact(math.max(at, tonumber(call('HGET', P .. 'h:' .. host, 'next_at') or 0))), host)
      call('HSET', P .. 'h:' .. host, 'put_off', 1)
    end
  end
  candidates = due_hosts(hosts - #leases)
end

if #leases > 0 then call('HINCRBY', P .. 'holding', worker, #leases) end
if fair and #leases < hosts then recall(others, fair, hosts - #leases) end

local due = ''
if now < calm then
  due = exact(calm)
elseif fair and hosts <= #leases then
  due = '' -- the rest is for others, unless they do not ask for it
elseif is_open() then
  local first = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
  if first[2] and tonumber(first[2]) < NEVER then due = first[2] end
elseif has_requisites() then
  local _, at = with_requisites(0)
  if at and at < NEVER then due = exact(at) end
end
close()
return { exact(now), due, leases }

-- The hosts of a partition: their queues, leases, and what the limits of the crawl let them give out.

local NEVER = 1e18 -- when a host is due whose queue lies beyond the open depth
local RECENT = 2.5 -- seconds for which a worker that has asked for hosts counts as one that wants some

-- A closed host: all that waits for it fails in one step. It stays here, in case the host gets another chance.
local function fail_queue(host)
  local failed, into = 0, P .. 'f:' .. host
  for _, rank in ipairs(call('ZRANGE', P .. 'k:' .. host, 0, -1)) do
    local from = P .. 'q:' .. rank .. ':' .. host
    local length = call('LLEN', from)
    if call('EXISTS', into) == 0 then
      if length > 0 then call('RENAME', from, into) end
    else
      for _ = 1, length do call('LMOVE', from, into, 'LEFT', 'RIGHT') end
    end
    failed = failed + length
    count('r' .. rank, -length)
  end
  for _, kind in ipairs({ 'b:', 'w:' }) do
    for _, text in ipairs(call('ZRANGE', P .. kind .. host, 0, -1)) do
      local _, entry = numbered(text)
      call('RPUSH', into, entry)
      failed = failed + 1
      count('r' .. rank_of(entry), -1)
    end
  end
  call('UNLINK', P .. 'k:' .. host, P .. 'b:' .. host, P .. 'w:' .. host)
  call('HDEL', P .. 'requisites', host)
  call('HSET', P .. 'h:' .. host, 'queued', 0)
  call('ZREM', P .. 'due', host)
  call('SADD', P .. 'closed', host)
  count('queued', -failed)
  count('failed', failed)
end

-- The worker of a holder, "WORKER/NUMBER": its holders are one where hosts are shared alike.
local function worker_of(holder) return string.match(holder or '', '^[^/]*') end

-- Asks workers that have more than their share to give hosts back, as many as somebody lacks.
local function recall(workers, fair, lacking)
  for _, worker in ipairs(workers) do
    local has = tonumber(call('HGET', P .. 'holding', worker) or 0) - tonumber(call('HGET', P .. 'leaving', worker) or 0)
    local most = math.min(has - fair, lacking)
    if most > 0 then
      local marked = 0
      for _, host in ipairs(call('ZRANGE', P .. 'held', 0, -1)) do
        if marked == most then break end
        local facts = call('HMGET', P .. 'h:' .. host, 'holder', 'leaves')
        if worker_of(facts[1]) == worker and not facts[2] then
          call('HSET', P .. 'h:' .. host, 'leaves', 1)
          marked = marked + 1
        end
      end
      call('HINCRBY', P .. 'leaving', worker, marked)
      lacking = lacking - marked
    end
  end
end

-- Ends a host's lease: what was not acknowledged is queued again, where it was, untried. Its token is worthless from here on.
local function free(host)
  local held, back = call('HGETALL', P .. 'l:' .. host), 0
  for at = 2, #held, 2 do
    local number, entry = numbered(sub(held[at], 2))
    give_back(host, number, entry)
    back = back + 1
    if role_of(entry) == 'p' then count('granted', -1) end
  end
  count('leased', -back)
  call('DEL', P .. 'l:' .. host)
  call('ZREM', P .. 'held', host)
  call('HINCRBY', P .. 'h:' .. host, 'token', 1)
  local facts = call('HMGET', P .. 'h:' .. host, 'closed', 'next_at', 'queued', 'holder', 'leaves')
  local worker = worker_of(facts[4])
  if call('HINCRBY', P .. 'holding', worker, -1) <= 0 then call('HDEL', P .. 'holding', worker) end
  if facts[5] then
    if call('HINCRBY', P .. 'leaving', worker, -1) <= 0 then call('HDEL', P .. 'leaving', worker) end
    call('HDEL', P .. 'h:' .. host, 'leaves')
  end
  if facts[1] and facts[1] ~= '' then fail_queue(host)
  elseif tonumber(facts[3] or 0) > 0 then call('ZADD', P .. 'due', facts[2] or '0', host) end
end

-- Ends a lease whose holder is gone: it may have asked just now, so the host rests for its delay, and have met trouble, so the next one
-- begins with one request at a time. The state is JSON, of which nothing else is touched.
local function reclaim(host, now)
  local facts = call('HMGET', P .. 'h:' .. host, 'next_at', 'delay', 'least', 'state')
  local rest = math.max(tonumber(facts[2] or 0), tonumber(facts[3] or 0))
  local state = string.gsub(facts[4] or '', '"concurrency":[^,}]+', '"concurrency":1.0')
  state = string.gsub(state, '"latency":[^,}]+', '"latency":0.0')
  call('HSET', P .. 'h:' .. host, 'next_at', exact(math.max(tonumber(facts[1] or 0), now + rest)), 'state', state)
  free(host)
end

-- Keeps what a holder says of its host: no earlier time than was said before. `words`: next time, delay, why it is closed, its state, its
-- robots.txt ('=': as it was).
local function hear(host, words)
  local key = P .. 'h:' .. host
  local at = math.max(tonumber(words[1]), tonumber(call('HGET', key, 'next_at') or 0))
  call('HSET', key, 'next_at', exact(at), 'delay', words[2], 'closed', words[3], 'state', words[4])
  if words[5] ~= '=' then call('HSET', key, 'robots', words[5]) end
  if words[3] ~= '' then
    call('HSET', key, 'given_up', words[3])
    fail_queue(host)
  else
    call('SREM', P .. 'closed', host)
  end
end

local function leaves(host) return call('HEXISTS', P .. 'h:' .. host, 'leaves') end

local function is_held(host, token)
  return call('ZSCORE', P .. 'held', host) and call('HGET', P .. 'h:' .. host, 'token') == token
end

-- The server's time, unless somebody brings one.
local function time(given)
  if given ~= '' then return tonumber(given) end
  local now = call('TIME')
  return now[1] + now[2] / 1000000
end

-- The limits of a crawl, as text: most pages, deepest depth, most bytes; '' is none.

local limits = {}

local function is_full() return limits.size and total('size') >= limits.size end

local function pages(wanted)
  if is_full() then return 0 end
  if not limits.pages then return wanted end
  return math.max(0, math.min(wanted, limits.pages - total('ok_pages') - total('granted')))
end

local function has_requisites() return not is_full() and total('r-1') > 0 end

local function lowest_rank()
  local lowest
  local counters = call('HGETALL', P .. 'n')
  for at = 1, #counters, 2 do
    local rank = sub(counters[at], 1, 1) == 'r' and tonumber(sub(counters[at], 2))
    if rank and rank >= 0 and counters[at + 1] + (change[counters[at]] or 0) > 0 and (not lowest or rank < lowest) then lowest = rank end
  end
  return lowest
end

-- The deepest rank that is open: all of them, or with a depth limit only the lowest that is not finished.
local function open_rank()
  if not limits.depth then return 1e12 end
  return math.min(lowest_rank() or 0, 1 + limits.depth)
end

-- How many URLs may be granted now, and the deepest rank that they may have.
local function head(wanted)
  local room = pages(wanted)
  if room > 0 then return room, open_rank() end
  if has_requisites() then return wanted, -1 end
  return 0, -1
end

-- Takes up to `wanted` URLs of a host, those of the lowest rank first; what came back comes before what is new.
local function take_head(host, wanted, now)
  local room, deepest = head(wanted)
  local taken, back, waiting = {}, P .. 'b:' .. host, P .. 'w:' .. host
  if room <= 0 then return taken end
  for _, text in ipairs(call('ZRANGEBYSCORE', waiting, '-inf', exact(now))) do
    local number, entry = numbered(text)
    call('ZADD', back, ranked(rank_of(entry), number), text)
    call('ZREM', waiting, text)
  end
  local held, granted, requisites = {}, 0, 0
  local function hold(number, entry)
    taken[#taken + 1] = entry
    held[#held + 1] = sub(entry, 1, 8)
    held[#held + 1] = format('-%.0f|', number) .. entry
    if role_of(entry) == 'p' then granted = granted + 1 elseif rank_of(entry) == -1 then requisites = requisites + 1 end
  end
  while #taken < room do
    local first, rank = call('ZRANGE', back, 0, 0)[1], tonumber(call('ZRANGE', P .. 'k:' .. host, 0, 0)[1])
    local number, entry
    if first then number, entry = numbered(first) end
    if entry and (not rank or rank_of(entry) <= rank) then
      if rank_of(entry) > deepest then break end
      call('ZREM', back, first)
      hold(number, entry)
    elseif rank and rank <= deepest then
      local key, wants = P .. 'q:' .. rank .. ':' .. host, room - #taken
      local entries = call('LPOP', key, wants) or {}
      local last = call('HINCRBY', P .. 'h:' .. host, 'number', #entries)
      for at, one in ipairs(entries) do hold(last - #entries + at, one) end
      if #entries < wants or call('EXISTS', key) == 0 then call('ZREM', P .. 'k:' .. host, rank) end
    else break end
  end
  if #taken > 0 then
    call('HSET', P .. 'l:' .. host, unpack(held))
    call('HINCRBY', P .. 'h:' .. host, 'queued', -#taken)
    less_requisites(host, requisites)
    count('queued', -#taken)
    count('leased', #taken)
    count('granted', granted)
  end
  return taken
end

-- When the first waiting URL of a host may be asked: 0 when one need not wait, nothing when none may ever be.
local function next_due(host, deepest)
  local first, rank = call('ZRANGE', P .. 'b:' .. host, 0, 0)[1], tonumber(call('ZRANGE', P .. 'k:' .. host, 0, 0)[1])
  if rank and rank <= deepest then return 0 end
  if first then
    local _, entry = numbered(first)
    if rank_of(entry) <= deepest then return 0 end
  end
  local waiting = call('ZRANGE', P .. 'w:' .. host, 0, -1, 'WITHSCORES')
  for at = 1, #waiting, 2 do
    local _, entry = numbered(waiting[at])
    if rank_of(entry) <= deepest then return tonumber(waiting[at + 1]) end
  end
end

local function set_limits(most_pages, deepest, most_bytes)
  limits.pages, limits.depth, limits.size = tonumber(most_pages), tonumber(deepest), tonumber(most_bytes)
end

-- What all scripts of the shared frontier have in common. Each script is this file and its own, and sees one partition: KEYS[1] is the
-- prefix of all its keys, with the hash tag. Ids are decimal strings wherever Redis keeps them as integers and 8 raw bytes inside of
-- entries; they are never calculated with.
--
-- An entry is a queued URL: 8 bytes id, 1 byte role, 1 byte attempts, 3 bytes depth, then what the client made of the rest.

local P, call = KEYS[1], redis.call
local floor, sub, byte, char, find, format = math.floor, string.sub, string.byte, string.char, string.find, string.format
local NEVER = 1e18 -- when a host is due whose queue lies beyond the open depth
local PARTS = 4 -- a bucket is split into
local LOAD = 100 -- ids in a bucket on average; four times as many before it is split, which is below set-max-intset-entries (512)
local ORDER = 68719476736 -- 2^36: a place in a host's queue is its rank times this and a running number
local RECENT = 2.5 -- seconds for which a worker that has asked for hosts counts as one that wants some

local function exact(number) return format('%.17g', number) end

-- Counters: what changes is collected and written at the end.

local change = {}
local function count(name, by) change[name] = (change[name] or 0) + by end

local function total(name) return tonumber(call('HGET', P .. 'n', name) or 0) + (change[name] or 0) end

-- Sets of ids that grow: a linear hash of sets small enough that Redis packs them, 8 bytes an id. A bucket is the ids of a range, and
-- the ranges are split in their order. A range is found by the first 32 bits of an id, which stand in its entry; they name the bucket in
-- three bytes, as making text of a number, or a number of text, takes as long as all the rest.

local families = {}

local function shape(it)
  it.size = PARTS ^ it.level
  it.scale, it.before, it.after = it.size / 4294967296, P .. it.name .. it.level .. ':', P .. it.name .. (it.level + 1) .. ':'
  it.room = LOAD * (it.size + (PARTS - 1) * it.split) -- ids, until the next bucket is split
end

-- Reads several families in one go.
local function read_families(names)
  local fields = {}
  for _, name in ipairs(names) do
    fields[#fields + 1], fields[#fields + 2], fields[#fields + 3] = 'L' .. name, 'S' .. name, 'C' .. name
  end
  local known = call('HMGET', P .. 'n', unpack(fields))
  for at, name in ipairs(names) do
    local it = { name = name, level = tonumber(known[3 * at - 2] or 0), split = tonumber(known[3 * at - 1] or 0), count = tonumber(known[3 * at] or 0) }
    shape(it)
    families[name] = it
  end
end

local function family(name)
  if not families[name] then read_families({ name }) end
  return families[name]
end

-- The key of the bucket of an id, of which there are the first four bytes.
local function bucket(it, a, b, c, d)
  local at = ((a < 128 and a + 128 or a - 128) * 16777216 + b * 65536 + c * 256 + d) * it.scale
  local number, key = at - at % 1, it.before
  if number < it.split then
    at = at * PARTS
    number, key = at - at % 1, it.after -- where what was split is
  end
  local low = number % 256
  local rest = (number - low) / 256
  local middle = rest % 256
  return key .. char((rest - middle) / 256, middle, low)
end

-- The first four bytes of an id that is there as a decimal number, which is more than a double holds.
local function bytes_of(id)
  local is_negative = byte(id) == 45
  if is_negative then id = sub(id, 2) end
  local upper, lower = tonumber(sub(id, 1, -10)) or 0, tonumber(sub(id, -9))
  local most = floor(upper / 65536) * 1000000000 -- upper * 10^9 + lower, divided by 2^32 in steps that a double does hold
  local rest = most % 65536 * 65536 + upper % 65536 * 1000000000 + lower
  local top = floor(most / 65536) + floor(rest / 4294967296)
  if is_negative then top = 4294967296 - top - (rest % 4294967296 > 0 and 1 or 0) end
  return floor(top / 16777216) % 256, floor(top / 65536) % 256, floor(top / 256) % 256, top % 256
end

-- The ids of a bucket come in their order when they are packed: each part is a run, whose end is looked for by halves.
local function split(it)
  local at, upper = it.split, { name = it.name, level = it.level + 1, split = 0 }
  shape(upper)
  local key = it.before .. char(floor(at / 65536), floor(at / 256) % 256, at % 256)
  local is_ordered = call('OBJECT', 'ENCODING', key) == 'intset'
  local ids = call('SMEMBERS', key)
  local first, count = 1, #ids
  call('UNLINK', key)
  while first <= count do
    local last, beyond, into = first, count + 1, bucket(upper, bytes_of(ids[first]))
    while is_ordered and beyond - last > 1 do
      local middle = floor((last + beyond) / 2)
      if bucket(upper, bytes_of(ids[middle])) == into then last = middle else beyond = middle end
    end
    call('SADD', into, unpack(ids, first, last))
    first = last + 1
  end
  it.split = at + 1
  if it.split == it.size then it.level, it.split = it.level + 1, 0 end
  shape(it)
  it.moved = true
end

-- Each takes an id, and an entry of it for its first bytes.

local function has(it, id, entry) return it.count > 0 and call('SISMEMBER', bucket(it, byte(entry, 1, 4)), id) == 1 end

local function put_there(it, id, a, b, c, d)
  if call('SADD', bucket(it, a, b, c, d), id) == 0 then return false end
  local count = it.count + 1
  it.count, it.changed = count, true
  if count > it.room then split(it) end
  return true
end

local function put(it, id, entry) return put_there(it, id, byte(entry, 1, 4)) end

local function take(it, id, entry)
  if it.count == 0 or call('SREM', bucket(it, byte(entry, 1, 4)), id) == 0 then return false end
  it.count, it.changed = it.count - 1, true
  return true
end

-- Writes what was counted. The last thing of every script that changes anything.
local function close()
  for name, by in pairs(change) do
    if by ~= 0 then call('HINCRBY', P .. 'n', name, by) end
  end
  for name, it in pairs(families) do
    if it.moved then call('HSET', P .. 'n', 'L' .. name, it.level, 'S' .. name, it.split, 'C' .. name, it.count)
    elseif it.changed then call('HSET', P .. 'n', 'C' .. name, it.count) end
  end
end

-- Entries.

local function role_of(entry) return sub(entry, 9, 9) end

local function depth_of(entry)
  local high, middle, low = byte(entry, 11, 13)
  return high * 65536 + middle * 256 + low
end

local function rank_of(entry)
  local role, _, high, middle, low = byte(entry, 9, 13)
  if role == 112 then return 1 + high * 65536 + middle * 256 + low end
  return role == 115 and 0 or -1 -- sitemaps; requisites and probes
end

-- The entries of a host that come back (`b`), wait for a time (`w`) or are held (`l`) carry their running number: "17|entry".

local function numbered(text)
  local bar = find(text, '|', 1, true)
  return tonumber(sub(text, 1, bar - 1)), sub(text, bar + 1)
end

local function ranked(rank, number) return exact(rank * ORDER + number) end

-- Puts an entry that was held back into its place, or lets it wait until `at`.
local function give_back(host, number, entry, at)
  local text = format('%.0f|', number) .. entry
  if at then call('ZADD', P .. 'w:' .. host, exact(at), text)
  else call('ZADD', P .. 'b:' .. host, ranked(rank_of(entry), number), text) end
  if rank_of(entry) == -1 then call('HINCRBY', P .. 'requisites', host, 1) end
  call('HINCRBY', P .. 'h:' .. host, 'queued', 1)
  count('queued', 1)
end

local function less_requisites(host, by)
  if by > 0 and call('HINCRBY', P .. 'requisites', host, -by) <= 0 then call('HDEL', P .. 'requisites', host) end
end

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

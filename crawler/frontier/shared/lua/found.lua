-- found: creates a crawl unless it exists. ARGV: names and values of its facts. Answers 1 if it was created, and the facts that hold.

local is_new = call('EXISTS', P .. 'meta') == 0
if is_new then call('HSET', P .. 'meta', unpack(ARGV)) end
return { is_new and 1 or 0, call('HGETALL', P .. 'meta') }

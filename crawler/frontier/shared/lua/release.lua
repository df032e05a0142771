-- release: gives a host back. ARGV: now, then as `done` without outcomes. Hosts that are due together take turns: the one served last
-- comes last.

local now, host, token = time(ARGV[1]), ARGV[2], ARGV[3]
if not is_held(host, token) then return 0 end
hear(host, { exact(math.max(now, tonumber(ARGV[4]))), ARGV[5], ARGV[6], ARGV[7], ARGV[8] })
free(host)
close()
return 1

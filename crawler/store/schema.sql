-- crawl.db, format 1. Ids are the signed 64-bit xxh3 of the canonical URL, so they agree across workers and machines.
-- Tables and views whose names begin with an underscore are the crawler's own; all others are public and stay.

CREATE TABLE meta (            -- facts about the folder
  key TEXT PRIMARY KEY,        -- format, identity (seeds, scope, ...), boot_id, open_rank, synced, traps, released, update, widened
  value TEXT NOT NULL          -- text or JSON
) WITHOUT ROWID;

CREATE TABLE runs (            -- one row each time the crawl was started or resumed
  run INTEGER PRIMARY KEY,     -- 1, 2, ...
  started TEXT NOT NULL,       -- UTC, RFC 3339
  ended TEXT,                  -- NULL while running, and after a kill
  seconds REAL,                -- how long it ran, however the clock was set meanwhile; NULL as above
  finish_reason TEXT,          -- queue empty, page limit, depth limit, size limit, time limit, interrupted, terminated, no reader, disk full, error
  version TEXT NOT NULL,       -- of the crawler
  settings TEXT NOT NULL       -- JSON, without secrets
);

CREATE TABLE hosts (           -- facts and state of each host (hostname and port)
  host_id INTEGER PRIMARY KEY, -- number inside this folder
  host TEXT NOT NULL UNIQUE,   -- example.org, example.org:8080
  queued INTEGER NOT NULL DEFAULT 0,     -- URLs waiting
  done INTEGER NOT NULL DEFAULT 0,       -- URLs with an answer
  failed INTEGER NOT NULL DEFAULT 0,     -- URLs given up
  next_at REAL NOT NULL DEFAULT 0,       -- when the next request may start (monotonic seconds of this boot)
  due_at REAL NOT NULL DEFAULT 0,        -- when the first waiting URL may be asked, as far as known
  delay REAL NOT NULL DEFAULT 0,         -- seconds between two requests
  concurrency REAL NOT NULL DEFAULT 1,   -- requests at once the host was found to bear
  latency REAL NOT NULL DEFAULT 0,       -- seconds to its first byte while nothing else was in flight
  rate REAL NOT NULL DEFAULT 0,          -- requests a second at which it refused (429, 503); 0: it bears all
  rate_since REAL,                       -- when it was first asked after that; NULL: not yet
  rate_guessed INTEGER NOT NULL DEFAULT 0, -- 1: only a burst told this rate
  refusals INTEGER NOT NULL DEFAULT 0,   -- refusals in a row
  failures INTEGER NOT NULL DEFAULT 0,   -- connection failures in a row
  answered INTEGER NOT NULL DEFAULT 0,   -- 1: it has answered at least once
  closed TEXT NOT NULL DEFAULT '',       -- why the host was given up, or ''
  robots TEXT NOT NULL DEFAULT '',       -- JSON: robots.txt of each origin, its status and when it was read
  token INTEGER NOT NULL DEFAULT 0,      -- the fence of the last lease: grows with every one
  leased_until REAL                      -- NULL: nobody holds the host
);
CREATE INDEX _due_hosts ON hosts (max(next_at, due_at)) WHERE queued > 0 AND leased_until IS NULL AND closed = '';
CREATE INDEX _held_hosts ON hosts (leased_until) WHERE leased_until IS NOT NULL;

CREATE TABLE _leases (         -- who holds a host, or a slot of it
  host_id INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  token INTEGER NOT NULL,
  holder INTEGER NOT NULL,     -- number of the worker
  until REAL NOT NULL,         -- monotonic seconds of this boot
  leaves INTEGER NOT NULL DEFAULT 0,  -- 1: another slot saw trouble, this one is to be given back
  PRIMARY KEY (host_id, slot)
) WITHOUT ROWID;

CREATE TABLE _frontier (       -- every admitted URL, in the order of discovery
  seq INTEGER PRIMARY KEY,
  id INTEGER NOT NULL UNIQUE,
  url TEXT NOT NULL,
  host_id INTEGER NOT NULL,
  role TEXT NOT NULL,
  depth INTEGER NOT NULL,
  chain BLOB,                  -- ids of the redirects, indexes of sitemaps or style sheets that led here, 8 bytes each
  parent INTEGER,
  state TEXT NOT NULL DEFAULT 'queued',
  rank INTEGER NOT NULL,       -- 0 sitemaps, then 1 + depth: the order inside a host
  not_before REAL NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  reason TEXT,
  detail TEXT,
  slot INTEGER,                -- of its host, by which it was leased last
  token INTEGER NOT NULL DEFAULT 0 -- of the lease under which it ended, in a crawl that many machines share: the highest counts
);
CREATE INDEX _queue ON _frontier (host_id, rank, seq) WHERE state = 'queued';
CREATE INDEX _leased ON _frontier (host_id) WHERE state = 'leased';
CREATE INDEX _failed ON _frontier (host_id) WHERE state = 'failed';
CREATE INDEX _sitemaps ON _frontier (seq) WHERE role = 'sitemap' AND detail IS NOT NULL; -- what came instead of a sitemap

CREATE TABLE _ranks (          -- how many URLs of each rank are queued or leased
  rank INTEGER PRIMARY KEY,
  pending INTEGER NOT NULL
);

CREATE TABLE _totals (         -- one row: what counting would take too long for
  queued INTEGER NOT NULL DEFAULT 0,
  leased INTEGER NOT NULL DEFAULT 0,
  done INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  granted INTEGER NOT NULL DEFAULT 0,  -- leased URLs that count for the page limit
  ok_pages INTEGER NOT NULL DEFAULT 0,
  size INTEGER NOT NULL DEFAULT 0
);
INSERT INTO _totals DEFAULT VALUES;

CREATE TABLE _refused (        -- every URL that was not admitted
  id INTEGER PRIMARY KEY,
  url TEXT NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  depth INTEGER NOT NULL,
  parent INTEGER
);

CREATE TABLE pages (           -- one row for each attempted URL, redirects and failures included
  row INTEGER PRIMARY KEY,     -- in the order of storing
  id INTEGER NOT NULL UNIQUE,
  url TEXT NOT NULL,
  run INTEGER NOT NULL,        -- the run that stored it
  status INTEGER NOT NULL,     -- HTTP status, 0 when there was no answer
  outcome TEXT NOT NULL,       -- ok, redirect, http_error, error, not_modified
  error TEXT,                  -- dns, refused, reset, tls, timeout, truncated, protocol, too_big, decode, redirect_loop, robots_unavailable, blocked, hook, internal
  error_detail TEXT,
  redirect_to TEXT,            -- URL
  redirect_id INTEGER,         -- its id
  role TEXT NOT NULL,          -- page, requisite, probe
  depth INTEGER NOT NULL,      -- links from a seed
  parent INTEGER,              -- id of the URL it was found on
  content_type TEXT,           -- media type without parameters
  charset TEXT,
  bytes INTEGER NOT NULL,      -- size of the decoded body
  sha256 TEXT,                 -- of the decoded body
  title TEXT,
  description TEXT,
  canonical TEXT,              -- URL
  lang TEXT,
  robots_meta TEXT,            -- meta robots and X-Robots-Tag
  etag TEXT,
  last_modified TEXT,
  fetched_at TEXT NOT NULL,    -- UTC, RFC 3339
  ttfb_ms REAL,                -- start of the request to the headers
  total_ms REAL,               -- start of the request to the last byte
  attempts INTEGER NOT NULL,
  file TEXT,                   -- saved body, relative to the folder
  headers TEXT,                -- JSON: [[name, value], ...] as received, but for values of cookies and logins in URLs
  data TEXT,                   -- JSON: what --extract found
  first_link INTEGER,          -- links of this page are the rows first_link ... first_link + link_count - 1
  link_count INTEGER NOT NULL DEFAULT 0
);
-- Every start asks for these two; a million rows must not hold it up.
CREATE INDEX _pages_counted ON pages (status, outcome, role, bytes);
CREATE INDEX _pages_moved ON pages (row) WHERE depth = 0 AND outcome = 'redirect';
CREATE INDEX _pages_broken ON pages (id) WHERE outcome IN ('http_error', 'error');

CREATE TABLE history (         -- rows of pages that a later run replaced; no file, as a body that comes again is saved over the one before
  id INTEGER NOT NULL,
  run INTEGER NOT NULL,
  status INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  error TEXT,
  redirect_to TEXT,
  bytes INTEGER NOT NULL,
  sha256 TEXT,
  title TEXT,
  fetched_at TEXT NOT NULL,
  PRIMARY KEY (id, run)
) WITHOUT ROWID;

CREATE TABLE links (           -- every link of every page, in the order of the page
  link INTEGER PRIMARY KEY,
  src INTEGER NOT NULL,        -- id of the page
  dst INTEGER NOT NULL,        -- id of the target, fetched or not
  kind TEXT NOT NULL,          -- a, area, iframe, frame, img, media, script, css, link, form, sitemap, redirect, refresh, header
  rel TEXT NOT NULL,
  text TEXT NOT NULL,          -- anchor text, at most 200 characters; of an entry of a sitemap its lastmod
  position INTEGER NOT NULL    -- 0 is the first link of the page
);

CREATE VIEW urls AS            -- every URL ever discovered: one row, one state, one reason
  SELECT f.id, f.url, h.host, f.role, f.depth, coalesce(length(f.chain), 0) / 8 AS hops, f.parent,
         f.state, f.reason, f.detail, f.attempts
  FROM _frontier f JOIN hosts h USING (host_id)
  UNION ALL
  SELECT r.id, r.url, NULL,
         CASE WHEN r.reason = 'requisite' THEN 'requisite'
              WHEN r.reason IN ('scope', 'trap') AND r.detail LIKE 'sitemap: %' THEN 'sitemap' ELSE 'page' END,
         r.depth, 0, r.parent, 'skipped', r.reason, r.detail, 0
  FROM _refused r WHERE NOT EXISTS (SELECT 1 FROM _frontier f WHERE f.id = r.id);

CREATE VIEW skipped AS         -- URLs that were not asked for, and why
  SELECT u.url, u.reason, u.detail, p.url AS parent
  FROM urls u LEFT JOIN _frontier p ON p.id = u.parent WHERE u.state = 'skipped';

CREATE VIEW broken_links AS    -- links that lead to an error, a row for each; `broken_links` in summary.json counts their targets
  SELECT t.url AS target, t.status, t.error, s.url AS source, l.kind, l.text
  FROM links l JOIN pages t ON t.id = l.dst JOIN pages s ON s.id = l.src
  WHERE l.dst IN (SELECT id FROM pages WHERE outcome IN ('http_error', 'error'));

CREATE VIEW redirect_chains AS -- each redirect that no other redirect leads to, with its hops and its end
  WITH RECURSIVE
    redirects (id, url, redirect_to, redirect_id) AS (
      SELECT id, url, redirect_to, redirect_id FROM pages WHERE redirect_id IS NOT NULL),
    chain (start, url, id, hops, path) AS (
      SELECT url, redirect_to, redirect_id, 1, url || ' > ' || redirect_to FROM redirects
      WHERE id NOT IN (SELECT redirect_id FROM redirects WHERE redirect_id <> id)
      UNION ALL
      SELECT c.start, p.redirect_to, p.redirect_id, c.hops + 1, c.path || ' > ' || p.redirect_to
      FROM chain c JOIN pages p ON p.id = c.id WHERE p.redirect_id IS NOT NULL AND c.hops < 20)
  SELECT start, url AS end, max(hops) AS hops, path FROM chain GROUP BY start;

CREATE VIEW duplicate_titles AS
  SELECT title, count(*) AS pages, min(url) AS example FROM pages
  WHERE outcome IN ('ok', 'not_modified') AND title <> '' GROUP BY title HAVING count(*) > 1 ORDER BY pages DESC, title;

CREATE VIEW duplicate_bodies AS
  SELECT sha256, count(*) AS pages, bytes, min(url) AS example FROM pages
  WHERE outcome IN ('ok', 'not_modified') AND bytes > 0 GROUP BY sha256 HAVING count(*) > 1 ORDER BY pages DESC, sha256;

CREATE VIEW slowest AS
  SELECT url, status, ttfb_ms, total_ms, bytes FROM pages WHERE total_ms IS NOT NULL ORDER BY total_ms DESC LIMIT 100;

CREATE VIEW orphans AS         -- in a sitemap, linked by nobody
  SELECT f.url, f.state FROM _frontier f
  WHERE f.id IN (SELECT dst FROM links WHERE kind = 'sitemap')
    AND f.id NOT IN (SELECT dst FROM links WHERE kind <> 'sitemap' AND src <> dst);

CREATE VIEW sitemap_entries AS -- what sitemaps list
  SELECT s.url AS sitemap, t.url, l.text AS lastmod, l.rel, t.state, t.reason
  FROM links l JOIN _frontier s ON s.id = l.src JOIN urls t ON t.id = l.dst WHERE l.kind = 'sitemap';

CREATE VIEW by_status AS
  SELECT status, outcome, count(*) AS pages, sum(bytes) AS bytes FROM pages GROUP BY status, outcome ORDER BY status;

CREATE VIEW by_depth AS
  SELECT depth, count(*) AS pages, sum(outcome IN ('ok', 'not_modified')) AS ok FROM pages WHERE role = 'page' GROUP BY depth ORDER BY depth;

CREATE VIEW by_type AS
  SELECT content_type, count(*) AS pages, sum(bytes) AS bytes FROM pages WHERE outcome IN ('ok', 'not_modified') GROUP BY content_type ORDER BY pages DESC;

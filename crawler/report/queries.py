"""The SQL behind every number that is shown. Each can be pasted into `sqlite3 crawl.db` as it stands.

The columns are named as the fields of `Summary` and `Status` that they fill. "Of the last run" means `max(run)`.
"""

from __future__ import annotations

# --- the summary ------------------------------------------------------------------------------------------------------

# What pages are made of is counted apart.
_ATTEMPTS = """
SELECT count(*) FILTER (WHERE role = 'page') AS pages,
       count(*) FILTER (WHERE outcome IN ('ok', 'not_modified') AND role = 'page') AS ok,
       count(*) FILTER (WHERE outcome = 'redirect' AND role = 'page') AS redirects,
       count(*) FILTER (WHERE outcome = 'http_error' AND role = 'page') AS broken,
       count(*) FILTER (WHERE outcome = 'error' AND role = 'page') AS errors,
       count(*) FILTER (WHERE role = 'requisite') AS requisites,
       count(*) FILTER (WHERE role = 'probe') AS probes,
       coalesce(sum(bytes), 0) AS bytes"""

PAGES = f"""{_ATTEMPTS},
       count(*) FILTER (WHERE run = (SELECT max(run) FROM runs) AND role = 'page') AS run_pages,
       min(depth) FILTER (WHERE role = 'page') AS min_depth,
       max(depth) FILTER (WHERE role = 'page') AS max_depth,
       count(file) AS files
FROM pages
"""

# Nearest rank: the smallest value that at least 50 (95) % of all values do not exceed.
TIME_TO_FIRST_BYTE = """
WITH timed AS MATERIALIZED (SELECT ttfb_ms FROM pages WHERE ttfb_ms IS NOT NULL)
SELECT (SELECT ttfb_ms FROM timed ORDER BY ttfb_ms LIMIT 1 OFFSET (SELECT (count(*) * 50 + 99) / 100 - 1 FROM timed)) AS ttfb_median_ms,
       (SELECT ttfb_ms FROM timed ORDER BY ttfb_ms LIMIT 1 OFFSET (SELECT (count(*) * 95 + 99) / 100 - 1 FROM timed)) AS ttfb_p95_ms,
       (SELECT max(ttfb_ms) FROM timed) AS ttfb_max_ms
"""

QUEUED = "SELECT count(*) AS queued FROM urls WHERE state IN ('queued', 'leased')"

SKIPPED = """
SELECT reason, detail, count(*) AS urls FROM urls WHERE state = 'skipped'
GROUP BY reason, detail ORDER BY urls DESC, reason, detail
"""

# A run that was killed has no end: then its last page counts.
LAST_RUN = """
SELECT run, started, ended, finish_reason,
       coalesce(
         seconds,
         (julianday(coalesce(ended, (SELECT fetched_at FROM pages ORDER BY row DESC LIMIT 1), started)) - julianday(started)) * 86400
       ) AS duration
FROM runs ORDER BY run DESC LIMIT 1
"""

# When a crawl was last seen to do something.
LAST_SIGN = """
SELECT what, at FROM (
  SELECT * FROM (SELECT 'the last page came' AS what, fetched_at AS at FROM pages ORDER BY row DESC LIMIT 1)
  UNION ALL
  SELECT * FROM (SELECT 'the run began', started FROM runs ORDER BY run DESC LIMIT 1)
  UNION ALL
  SELECT 'the shared frontier had nothing to do for it', value FROM meta WHERE key = 'idle_at'
) ORDER BY at DESC LIMIT 1
"""

# The host that may be asked first, and when (monotonic seconds).
NEXT_DUE = """
SELECT max(next_at, due_at) AS at, host, queued FROM hosts
WHERE closed = '' AND (queued > 0 OR leased_until IS NOT NULL) ORDER BY at LIMIT 1
"""

# The first condition is that of a partial index.
ERROR_KINDS = """
SELECT error AS kind, count(*) AS urls FROM pages
WHERE outcome IN ('http_error', 'error') AND outcome = 'error' AND role = 'page' GROUP BY error ORDER BY urls DESC, kind
"""

# The same as counting `broken_links` by target, several times as fast: the join begins with `links`, so that a million of them are read
# once, only those that lead to a broken page are looked up among the pages, and without such a page none of them is read.
BROKEN_LINKS = """
WITH bad AS MATERIALIZED (SELECT id FROM pages WHERE outcome IN ('http_error', 'error'))
SELECT count(*) AS broken_links, count(*) FILTER (WHERE sources > 1) AS broken_links_shared
FROM (SELECT count(DISTINCT l.src) AS sources FROM (SELECT 1 FROM bad LIMIT 1)
      CROSS JOIN links l CROSS JOIN bad ON bad.id = l.dst CROSS JOIN pages s ON s.id = l.src GROUP BY l.dst)
"""

DUPLICATE_TITLES = "SELECT coalesce(sum(pages), 0) AS shared_title_pages, count(*) AS shared_titles FROM duplicate_titles"

# URLs that failed with their host before they were asked for: they have no row in pages.
GIVEN_UP = """
SELECT count(*) FROM _frontier f JOIN hosts h USING (host_id)
WHERE h.closed <> '' AND f.state = 'failed' AND f.role = 'page' AND NOT EXISTS (SELECT 1 FROM pages p WHERE p.id = f.id)
"""

# What they list beside what could be read of them is not known. Those of hosts that were given up are told with their hosts. One that
# nobody names (a guess, whatever it redirects to) need not be there; those that robots.txt names have a parent that is no row.
FAILED_SITEMAPS = """
WITH RECURSIVE way (seq, source) AS (
  SELECT seq, parent FROM _frontier
  WHERE role = 'sitemap' AND detail IS NOT NULL AND state = 'done' AND detail NOT LIKE 'HTTP 3%'
  UNION
  SELECT way.seq, f.parent FROM way JOIN _frontier f ON f.id = way.source WHERE f.role = 'sitemap' AND f.detail LIKE 'HTTP 3%')
SELECT f.url, f.reason, f.detail FROM _frontier f JOIN hosts h USING (host_id)
WHERE f.seq IN (
    SELECT seq FROM way GROUP BY seq HAVING count(*) = count(source)
    UNION ALL
    SELECT seq FROM _frontier WHERE role = 'sitemap' AND detail IS NOT NULL AND state = 'failed')
  AND h.closed = '' ORDER BY f.seq LIMIT 100
"""

CLOSED_HOSTS = "SELECT host, closed AS why FROM hosts WHERE closed <> '' ORDER BY failed DESC, host"

# What a page that is built by JavaScript looks like from here: it loads scripts and has nothing to follow. Its text is not
# in the database, so a small page that needs no link and has a script (a counter, say) looks the same. In this order, as nearly every
# page has something to follow among its first links.
SCRIPT_PAGE_BYTES = 32 * 1024
_LINKS_OF_P = "FROM links l WHERE l.link >= p.first_link AND l.link < p.first_link + p.link_count AND l.kind"
_TO_FOLLOW = "('a', 'area', 'iframe', 'frame', 'form', 'refresh')"
SCRIPT_ONLY = f"""
SELECT url, count(*) OVER () AS script_only FROM pages p
WHERE outcome IN ('ok', 'not_modified') AND role = 'page'
  AND content_type IN ('text/html', 'application/xhtml+xml') AND bytes < {SCRIPT_PAGE_BYTES}
  AND link_count > 0 AND NOT EXISTS (SELECT 1 {_LINKS_OF_P} IN {_TO_FOLLOW}) AND EXISTS (SELECT 1 {_LINKS_OF_P} = 'script')
ORDER BY depth, row LIMIT 3
"""

# Seeds are found nowhere; what a seed redirects to has its depth and a hop, or was refused (and then has no host here, as sitemaps that
# were refused). NULL as outcome: never asked for.
FAILED_SEEDS = """
SELECT u.url, u.state, u.reason, u.detail, p.status, p.error, p.error_detail
FROM urls u LEFT JOIN pages p ON p.id = u.id
WHERE u.depth = 0 AND u.role = 'page'
  AND (u.parent IS NULL AND u.host IS NOT NULL OR u.hops > 0
       OR EXISTS (SELECT 1 FROM pages s WHERE s.id = u.parent AND s.redirect_id = u.id))
  AND (u.state IN ('failed', 'skipped') OR p.outcome IN ('http_error', 'error'))
ORDER BY p.row, u.url LIMIT 100
"""

# --- a crawl that found only one page ---------------------------------------------------------------------------------

# Two rows mean more than one page.
ONLY_PAGE = """
SELECT id, url, outcome, content_type, bytes, first_link, link_count
FROM pages WHERE outcome <> 'redirect' AND role = 'page' ORDER BY row LIMIT 2
"""

LINKS_OF_PAGE = f"""
SELECT count(*) FILTER (WHERE kind = 'script') AS scripts,
       count(*) FILTER (WHERE kind IN {_TO_FOLLOW}) AS links,
       count(*) FILTER (WHERE kind IN {_TO_FOLLOW} AND dst = src) AS to_itself
FROM links WHERE link >= (SELECT first_link FROM pages WHERE id = :id)
  AND link < (SELECT first_link + link_count FROM pages WHERE id = :id)
"""

# Mail addresses, pictures and style sheets would have led to no page.
SKIPPED_FROM_PAGE = """
SELECT url, reason, detail FROM urls
WHERE state = 'skipped' AND parent = :id AND reason NOT IN ('scheme', 'requisite') ORDER BY id LIMIT 1000
"""

# --- the status of a crawl that may be running ------------------------------------------------------------------------

# The same as counting `urls` by state, four times as fast.
STATES = """
SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
       count(*) FILTER (WHERE state = 'leased') AS leased,
       count(*) FILTER (WHERE state = 'done') AS done,
       count(*) FILTER (WHERE state = 'failed') AS failed,
       count(*) FILTER (WHERE state = 'skipped') + (SELECT count(*) FROM _refused WHERE id NOT IN (SELECT id FROM _frontier)) AS skipped
FROM _frontier
"""

ATTEMPTS = f"{_ATTEMPTS} FROM pages"

# Rows are in the order of storing; more than this are not stored in ten seconds.
RECENT_ROWS = 20_000
RECENT = f"""
SELECT count(*) AS recent FROM (SELECT fetched_at FROM pages ORDER BY row DESC LIMIT {RECENT_ROWS}) WHERE fetched_at > :since
"""

BUSIEST_HOSTS = """
SELECT host, queued, done, failed, delay, closed FROM hosts
ORDER BY leased_until IS NULL, done + queued + failed DESC, host LIMIT 5
"""

HOSTS = "SELECT count(*) AS hosts FROM hosts"

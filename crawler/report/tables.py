"""The tables of `crawler report`: what each finds, in which words, and the SQL that says so, which can be pasted into
`crawler query DIR` as it stands.

A table is rows in groups: the first `keys` columns are the same in all rows of a group, and each row of it is an item (a page that links to
a broken URL, a hop of a chain). A table without items has one row in each group.
"""

from __future__ import annotations

from dataclasses import dataclass

SLOW_MS = 1_000
"""A page is slow when its first byte takes longer than so many milliseconds."""

THIN_BYTES = 1_024
"""A page is thin when its HTML, markup included, is smaller than so many bytes."""

_OK = "outcome IN ('ok', 'not_modified')"
_HTML = f"{_OK} AND role = 'page' AND content_type IN ('text/html', 'application/xhtml+xml')"


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the columns of its SQL, how many of them make a group, and how one speaks of one group, of several, and of none.

    `items` is what the rows of a group are, "" when there is one row in each; people are shown the first `most_items` of them, and
    `items_counted_by` is the column that says how many there are. `is_finding`: what is in it deserves a look, so that an empty one is good
    news. Where all rows would take long, `first` gives those of the first `:groups` groups with `:items` items each, and `total` counts
    the groups.
    """

    name: str
    help: str
    one: str
    many: str
    none: str
    columns: tuple[str, ...]
    sql: str
    keys: int = 0
    items: str = ""
    items_counted_by: str = ""
    most_items: int = 5
    is_finding: bool = True
    first: str = ""
    total: str = ""

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns of a group."""
        return self.columns[: self.keys or len(self.columns)]

    @property
    def item_columns(self) -> tuple[str, ...]:
        """The columns of an item."""
        return self.columns[self.keys :] if self.keys else ()

    def counted(self, groups: int) -> str:
        """`31 broken URLs`."""
        return self.none if not groups else f"1 {self.one}" if groups == 1 else f"{groups:,} {self.many}"


# A target is broken, or a redirect that leads to one that is: then whoever links to the redirect needs an editor. The join begins with
# `links`, so that a million of them are read once. What failed with its host before it was asked for has no row in `pages`, and the kind
# of the error in its detail, too.
_WAY = """
WITH RECURSIVE
  broken AS MATERIALIZED (
    SELECT id, url, status, error, error_detail FROM pages WHERE outcome IN ('http_error', 'error')
    UNION ALL
    SELECT id, url, 0, reason, iif(instr(detail, reason || ': ') = 1, substr(detail, length(reason) + 3), detail)
    FROM _frontier WHERE state = 'failed' AND role <> 'sitemap' AND id NOT IN (SELECT id FROM pages)),
  moved AS MATERIALIZED (SELECT id, url, redirect_id FROM pages WHERE outcome = 'redirect' AND EXISTS (SELECT 1 FROM broken)),
  way (id, target, through) AS (
    SELECT id, id, NULL FROM broken
    UNION
    SELECT moved.id, way.target, moved.url FROM way JOIN moved ON moved.redirect_id = way.id),"""
_LEADS_THERE = """FROM links CROSS JOIN way ON way.id = links.dst
    WHERE EXISTS (SELECT 1 FROM broken) AND (kind <> 'redirect' OR through IS NULL) AND (src <> target OR through IS NULL)"""
# Every page that links there comes before the second link of any.
_NTH = "row_number() OVER (PARTITION BY target, src ORDER BY link) AS nth"
BROKEN = Table(
    "broken",
    "broken URLs, each with the pages that link to it",
    "broken URL",
    "broken URLs",
    "No broken URL.",
    ("url", "status", "error", "error_detail", "links", "source", "kind", "text", "through"),
    f"""{_WAY}
  found AS MATERIALIZED (SELECT link, src, kind, text, target, through, {_NTH} {_LEADS_THERE})
SELECT b.url, b.status, b.error, b.error_detail, count(l.link) OVER (PARTITION BY b.id) AS links,
       s.url AS source, l.kind, l.text, l.through
FROM broken b LEFT JOIN found l ON l.target = b.id LEFT JOIN _frontier s ON s.id = l.src
ORDER BY links DESC, b.url, l.nth, l.link
""",
    keys=5,
    items="found_on",
    items_counted_by="links",
    first=f"""{_WAY}
  found AS MATERIALIZED (SELECT link, target, through, {_NTH} {_LEADS_THERE}),
  counted AS MATERIALIZED (SELECT target, count(*) AS links FROM found GROUP BY target),
  shown AS MATERIALIZED (
    SELECT id, url, status, error, error_detail, coalesce(links, 0) AS links
    FROM broken LEFT JOIN counted ON target = id ORDER BY links DESC, url LIMIT :groups),
  item AS MATERIALIZED (
    SELECT link, target, through, row_number() OVER (PARTITION BY target ORDER BY nth, link) AS number
    FROM found WHERE target IN (SELECT id FROM shown))
SELECT b.url, b.status, b.error, b.error_detail, b.links, s.url AS source, l.kind, l.text, i.through
FROM shown b LEFT JOIN item i ON i.target = b.id AND i.number <= :items
     LEFT JOIN links l ON l.link = i.link LEFT JOIN _frontier s ON s.id = l.src
ORDER BY b.links DESC, b.url, i.number
""",
    total="""
SELECT (SELECT count(*) FROM pages WHERE outcome IN ('http_error', 'error'))
  + (SELECT count(*) FROM _frontier WHERE state = 'failed' AND role <> 'sitemap' AND id NOT IN (SELECT id FROM pages))
""",
)

# A loop ends in an error where its beginning led to its end; where all its parts were known before, none of them is one. `ring` finds the
# latter: a walk that comes back to the first stored of its redirects.
REDIRECTS = Table(
    "redirects",
    "redirects that lead to redirects, and loops, hop by hop",
    "chain or loop of redirects",
    "chains and loops of redirects",
    "No redirect leads to another one.",
    ("start", "hops", "ends", "step", "url", "status"),
    """
WITH RECURSIVE
  redirects AS MATERIALIZED (
    SELECT id, url, status, redirect_id, redirect_to, row, error_detail FROM pages
    WHERE outcome = 'redirect' OR (outcome = 'error' AND error = 'redirect_loop')),
  walk (start, step, id, next) AS (
    SELECT id, 1, id, redirect_id FROM redirects
    WHERE id NOT IN (SELECT redirect_id FROM redirects WHERE redirect_id IS NOT NULL AND redirect_id <> id)
    UNION ALL
    SELECT start, step + 1, redirects.id, redirects.redirect_id FROM walk JOIN redirects ON redirects.id = walk.next WHERE step < 30),
  ring (start, first, step, id, next) AS (
    SELECT id, row, 1, id, redirect_id FROM redirects WHERE id NOT IN (SELECT id FROM walk)
    UNION ALL
    SELECT start, first, step + 1, redirects.id, redirects.redirect_id FROM ring JOIN redirects ON redirects.id = ring.next
    WHERE redirects.row > first AND step < 30),
  hop (start, step, id) AS MATERIALIZED (
    SELECT start, step, id FROM walk
    UNION ALL
    SELECT start, step, id FROM ring WHERE start IN (SELECT start FROM ring WHERE next = start)),
  chain AS MATERIALIZED (
    SELECT hop.start, max(hop.step) AS hops, last.redirect_id, last.redirect_to,
           CASE WHEN hop.start = last.redirect_id OR last.error_detail LIKE 'back to %' OR max(hop.step) = 30 THEN 'loop'
                WHEN last.error_detail IS NOT NULL THEN 'too many' END AS ends,
           CASE WHEN last.error_detail LIKE 'back to %' THEN substr(last.error_detail, 9) ELSE last.redirect_to END AS leads_to
    FROM hop JOIN redirects last ON last.id = hop.id GROUP BY hop.start),
  shown AS (
    SELECT start, step, id FROM hop
    UNION ALL
    SELECT start, hops + 1, NULL FROM chain WHERE leads_to IS NOT NULL)
SELECT first.url AS start, c.hops, coalesce(c.ends, p.outcome, u.state, 'not asked') AS ends, s.step,
       coalesce(r.url, c.leads_to) AS url, coalesce(r.status, CASE WHEN c.ends IS NULL THEN p.status END) AS status
FROM chain c JOIN shown s USING (start) JOIN redirects first ON first.id = c.start LEFT JOIN redirects r ON r.id = s.id
     LEFT JOIN pages p ON p.id = c.redirect_id LEFT JOIN _frontier u ON u.id = c.redirect_id
WHERE c.hops > 1 OR c.ends IS NOT NULL
ORDER BY c.ends IS NULL, c.hops DESC, first.url, s.step
""",
    keys=3,
    items="steps",
    most_items=31,
)

DUPLICATES = Table(
    "duplicates",
    "pages with the same title, and pages with the same body",
    "duplicate title or body",
    "duplicate titles and bodies",
    "No two pages have the same title or body.",
    ("same", "value", "pages", "url"),
    f"""
WITH titles AS MATERIALIZED (
    SELECT title, count(*) AS pages FROM pages NOT INDEXED WHERE {_OK} AND title <> '' GROUP BY title HAVING count(*) > 1),
  bodies AS MATERIALIZED (
    SELECT sha256, count(*) AS pages FROM pages NOT INDEXED WHERE {_OK} AND bytes > 0 GROUP BY sha256 HAVING count(*) > 1)
SELECT 'title' AS same, title AS value, titles.pages, url FROM pages NOT INDEXED CROSS JOIN titles USING (title) WHERE {_OK}
UNION ALL
SELECT 'body', sha256, bodies.pages, url FROM pages NOT INDEXED CROSS JOIN bodies USING (sha256) WHERE {_OK}
ORDER BY same DESC, pages DESC, value, url
""",
    keys=3,
    items="urls",
    items_counted_by="pages",
)

_LACKING = f"FROM pages NOT INDEXED WHERE {_HTML} AND (coalesce(title, '') = '' OR coalesce(description, '') = '')"
_LACKS = f"""
SELECT url, CASE WHEN coalesce(title, '') = '' AND coalesce(description, '') = '' THEN 'title, description'
                 WHEN coalesce(title, '') = '' THEN 'title' ELSE 'description' END AS lacks, depth
{_LACKING}
ORDER BY lacks DESC, depth, row
"""
MISSING = Table(
    "missing",
    "pages without a title or a description",
    "missing title or description",
    "missing titles and descriptions",
    "Every page has a title and a description.",
    ("url", "lacks", "depth"),
    _LACKS,
    first=f"{_LACKS}LIMIT :groups",
    total=f"SELECT count(*) {_LACKING}",
)

# As in `crawler.report.queries`: its text is not in the database.
_LINKS = "FROM links l WHERE l.link >= p.first_link AND l.link < p.first_link + p.link_count AND l.kind"
THIN = Table(
    "thin",
    "pages that JavaScript seems to build, and pages with next to no HTML",
    "thin page",
    "thin pages",
    "No page is thin, none looks JavaScript-only.",
    ("url", "looks", "bytes", "links", "depth"),
    f"""
WITH scripted AS MATERIALIZED (
  SELECT id FROM pages p NOT INDEXED WHERE {_HTML} AND bytes < 32768 AND link_count > 0
    AND NOT EXISTS (SELECT 1 {_LINKS} IN ('a', 'area', 'iframe', 'frame', 'form', 'refresh'))
    AND EXISTS (SELECT 1 {_LINKS} = 'script'))
SELECT url, 'JavaScript-only' AS looks, bytes, link_count AS links, depth FROM scripted JOIN pages USING (id)
UNION ALL
SELECT url, 'thin', bytes, link_count, depth FROM pages NOT INDEXED
WHERE {_HTML} AND bytes < {THIN_BYTES} AND id NOT IN (SELECT id FROM scripted)
ORDER BY looks, depth, url
""",
)

SLOW = Table(
    "slow",
    f"pages whose first byte took longer than {SLOW_MS / 1000:g} s",
    "slow page",
    "slow pages",
    f"No page took longer than {SLOW_MS / 1000:g} s to its first byte.",
    ("url", "status", "ttfb_ms", "total_ms", "bytes"),
    f"""
SELECT url, status, round(ttfb_ms, 1) AS ttfb_ms, round(total_ms, 1) AS total_ms, bytes
FROM pages WHERE ttfb_ms > {SLOW_MS} ORDER BY pages.ttfb_ms DESC, row
""",
)

SLOWEST = Table(
    "slowest",
    "the hundred pages that took longest",
    "page",
    "pages",
    "No page was asked for.",
    ("url", "status", "ttfb_ms", "total_ms", "bytes"),
    "\nSELECT url, status, ttfb_ms, total_ms, bytes FROM slowest\n",
    is_finding=False,
)

# Where no sitemap lists anything, `links` is read once.
ORPHANS = Table(
    "orphans",
    "URLs that are in a sitemap and that no page links to",
    "orphan (in a sitemap, linked by no page)",
    "orphans (in a sitemap, linked by no page)",
    "No orphan: pages link to all that sitemaps list.",
    ("url", "state", "status"),
    """
WITH listed (id) AS MATERIALIZED (SELECT DISTINCT dst FROM links WHERE kind = 'sitemap'),
  alone (id) AS (
    SELECT id FROM listed EXCEPT
    SELECT dst FROM (SELECT 1 FROM listed LIMIT 1) CROSS JOIN links WHERE kind <> 'sitemap' AND src <> dst)
SELECT f.url, f.state, p.status FROM alone CROSS JOIN _frontier f USING (id) LEFT JOIN pages p USING (id) ORDER BY f.url
""",
)

SKIPPED = Table(
    "skipped",
    "URLs that were not asked for, by reason and rule",
    "rule by which URLs were skipped",
    "rules by which URLs were skipped",
    "No URL was skipped.",
    ("reason", "rule", "urls", "example", "found_on"),
    """
WITH rules AS MATERIALIZED (
  SELECT reason, detail, count(*) AS urls, min(url) AS example, parent FROM urls WHERE state = 'skipped' GROUP BY reason, detail)
SELECT r.reason, r.detail AS rule, r.urls, r.example, f.url AS found_on
FROM rules r LEFT JOIN _frontier f ON f.id = r.parent ORDER BY r.urls DESC, r.reason, r.detail
""",
    is_finding=False,
)

HOSTS = Table(
    "hosts",
    "hosts, what came of their URLs, and how they were treated",
    "host",
    "hosts",
    "No host was asked.",
    ("host", "done", "failed", "queued", "broken", "latency_ms", "delay", "closed"),
    """
WITH bad AS MATERIALIZED (
  SELECT f.host_id, count(*) AS broken FROM pages p JOIN _frontier f USING (id)
  WHERE p.outcome IN ('http_error', 'error') GROUP BY f.host_id)
SELECT host, done, failed, queued, coalesce(broken, 0) AS broken, round(latency * 1000, 1) AS latency_ms, round(delay, 3) AS delay, closed
FROM hosts LEFT JOIN bad USING (host_id) WHERE done + failed + queued > 0 ORDER BY done + failed + queued DESC, host
""",
    is_finding=False,
)

DEPTH = Table(
    "depth",
    "pages by how many links away from a seed they are",
    "depth",
    "depths",
    "No page was asked for.",
    ("depth", "pages", "ok", "redirects", "broken", "errors", "bytes", "mean_ttfb_ms"),
    """
SELECT depth, count(*) AS pages, count(*) FILTER (WHERE outcome IN ('ok', 'not_modified')) AS ok,
       count(*) FILTER (WHERE outcome = 'redirect') AS redirects, count(*) FILTER (WHERE outcome = 'http_error') AS broken,
       count(*) FILTER (WHERE outcome = 'error') AS errors, sum(bytes) AS bytes, round(avg(ttfb_ms), 1) AS mean_ttfb_ms
FROM pages WHERE role = 'page' GROUP BY depth ORDER BY depth
""",
    is_finding=False,
)

TABLES = {table.name: table for table in (BROKEN, REDIRECTS, DUPLICATES, MISSING, THIN, SLOW, ORPHANS, SKIPPED, HOSTS, DEPTH)}
"""The tables that `--NAME` asks for, in the order in which they are shown."""

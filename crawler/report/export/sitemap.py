"""sitemap.xml: the pages of one site that a search engine should know, in as many files as the protocol needs, with an index.

Source: sitemaps.org/protocol.html. A file holds at most 50,000 URLs and 52,428,800 bytes, and the URLs of one host.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO

from crawler.core.urls import origin
from crawler.report.export.graphml import xml
from crawler.report.export.watch import Watch
from crawler.report.export.whole import WholeFiles, explained
from crawler.report.parts import in_parts
from crawler.report.results import Results

MOST_URLS = 50_000
MOST_BYTES = 50 * 1024 * 1024
_LONGEST_URL = 2_047

# Pages and documents, no pictures and scripts.
_SHOWN = "outcome IN ('ok', 'not_modified') AND role = 'page' AND content_type IN ('text/html', 'application/xhtml+xml', 'application/pdf')"
_PAGES = f"""
SELECT row, url, canonical, robots_meta, last_modified FROM pages
WHERE row > :after AND row <= :last AND {_SHOWN} ORDER BY row LIMIT :rows
"""
_LAST = "SELECT max(row) FROM pages"
# The site with most pages. A URL ends its origin at the first slash after "https://".
_ORIGIN = f"""
SELECT substr(url, 1, 7 + instr(substr(url, 9), '/')) AS origin FROM pages
WHERE {_SHOWN} GROUP BY origin ORDER BY count(*) DESC, origin LIMIT 1
"""
_NO_INDEX = re.compile(r"\b(?:noindex|none)\b", re.IGNORECASE)

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<{0} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'


@dataclass(slots=True)
class Sitemaps:
    """What was written: files beside the index, URLs in them, and pages that are in none and why."""

    files: int = 0
    urls: int = 0
    elsewhere: int = 0
    not_indexed: int = 0
    too_long: int = 0


def site_of(results: Results) -> str | None:
    """The origin that most pages have, such as https://example.org; None without any page."""
    row = results.connection.execute(_ORIGIN).fetchone()
    return str(row[0]) if row else None


def write_sitemaps(results: Results, path: Path, files: WholeFiles, watch: Watch, site: str) -> Sitemaps:
    """Writes the sitemap of the pages of `site` (an origin) to `path`.

    When one file cannot hold them, they go to `NAME-1.xml`, `NAME-2.xml` …, and `path` is the index, which names them as lying at the
    root of the site. Left out are pages that ask not to be indexed or name another URL as canonical. Raises what `files` raises.
    """
    found = Sitemaps()
    writer = _Parts(path, files, found)
    with closing(writer):
        for url, canonical, robots_meta, last_modified in watch(in_parts(results.connection, _PAGES, _LAST, lambda row: row[1:]), "pages"):
            if origin(url) != site:
                found.elsewhere += 1
            elif (canonical and canonical != url) or (robots_meta and _NO_INDEX.search(robots_meta)):
                found.not_indexed += 1
            elif len(url) > _LONGEST_URL:
                found.too_long += 1
            else:
                writer.put(_entry(url, last_modified))
        writer.end(site)
    return found


def _entry(url: str, last_modified: str | None) -> bytes:
    lastmod = _date(last_modified)
    return f"<url><loc>{xml(url)}</loc>{f'<lastmod>{lastmod}</lastmod>' if lastmod else ''}</url>\n".encode()


def _date(header: str | None) -> str | None:
    """A Last-Modified header as W3C Datetime; None when it is no date."""
    try:
        return parsedate_to_datetime(header).strftime("%Y-%m-%dT%H:%M:%SZ") if header else None
    except (ValueError, TypeError, OverflowError):
        return None


class _Parts:
    """The files, one after the other."""

    def __init__(self, path: Path, files: WholeFiles, found: Sitemaps) -> None:
        self._path = path
        self._files = files
        self._found = found
        self._file: BinaryIO | None = None
        self._urls = self._bytes = 0
        self._next()

    def put(self, entry: bytes) -> None:
        if self._urls == MOST_URLS or self._bytes + len(entry) + len(_foot("urlset")) > MOST_BYTES:
            self._next()
        self._write(entry)
        self._urls += 1
        self._found.urls += 1

    def end(self, site: str) -> None:
        """Finishes the last file, and writes the index if there are several."""
        self._finish()
        if self._found.files == 1:
            self._files.rename(self._part(1), self._path)
            return
        with explained(self._path), closing(self._files.open(self._path)) as index:
            index.write(_HEAD.format("sitemapindex").encode())
            for number in range(self._found.files):
                index.write(f"<sitemap><loc>{xml(f'{site}/{self._part(number + 1).name}')}</loc></sitemap>\n".encode())
            index.write(_foot("sitemapindex"))

    def close(self) -> None:
        if self._file is not None:
            with explained(self._path):
                self._file.close()

    def _next(self) -> None:
        if self._file is not None:
            self._finish()
        self._found.files += 1
        self._file = self._files.open(self._part(self._found.files))
        self._urls = self._bytes = 0
        self._write(_HEAD.format("urlset").encode())

    def _finish(self) -> None:
        self._write(_foot("urlset"))
        self.close()

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        with explained(self._path):
            self._file.write(data)
        self._bytes += len(data)

    def _part(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.stem}-{number}{self._path.suffix}")


def _foot(name: str) -> bytes:
    return f"</{name}>\n".encode()

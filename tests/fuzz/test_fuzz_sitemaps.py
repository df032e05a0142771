"""Sitemaps and feeds, whole and cut, honest and not."""

from __future__ import annotations

import gzip

from fuzzing import assert_linear, fuzz, soup
from hypothesis import strategies as st

from crawler.core.sitemaps import Sitemap, parse_sitemap

URL = "https://example.org/maps/sitemap.xml"

# fmt: off
PARTS = (
    "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>", "</urlset>", "<sitemapindex>", "</sitemapindex>", "<url>", "</url>",
    "<loc>", "</loc>", "<sitemap>", "</sitemap>", "<lastmod>2024-01-01</lastmod>", "<loc>https://example.org/a</loc>", "<loc>/b</loc>",
    "<image:image>", "<image:loc>", "</image:loc>", "<xhtml:link rel='alternate' href='/c'/>", "<rss>", "<channel>", "<item>",
    "</item>", "<link>", "</link>", "<guid isPermaLink='false'>", "</guid>", "<feed>", "<entry>", "</entry>", "<link href='/d'/>",
    "<!DOCTYPE a [", "<!ENTITY x 'y'>", "<!ENTITY % p SYSTEM 'file:///etc/passwd'>", "]>", "&x;", "&amp;", "&#0;", "&", "<![CDATA[",
    "]]>", "<!--", "-->", "<?xml version='1.0'?>", "<?xml version='1.0' encoding='", "utf-16", "gbk", "'?>", "http://example.org/e\n",
    "https://", "\n", " ", "\0", "\ufeff", "é", "<", ">", "a", "<a>", "</a>", "<ns:url>", "<ns:loc>",
)
# fmt: on
documents = soup(*PARTS).map(lambda text: text.encode("utf-8", "replace")) | st.binary()


def check(found: Sitemap) -> None:
    """What every sitemap is."""
    for url in (*found.sitemaps, *(url for entry in found.urls for url in (entry.url, *entry.alternates))):
        assert url.startswith(("http://", "https://"))
        assert url.encode()


@fuzz(documents, st.booleans())
def test_any_bytes_are_answered(body: bytes, cross_host: bool) -> None:
    """Nothing raises, packed or not, in one byte a character or two; all URLs are absolute, and other hosts are let in only on request."""
    for document in (body, gzip.compress(body, 1), gzip.compress(body, 1)[:-9], body.decode("latin-1").encode("utf-16")):
        found = parse_sitemap(document, URL, cross_host)
        check(found)
        assert cross_host or all(entry.url.startswith(("https://example.org/", "http://example.org/")) for entry in found.urls)


names = st.text("abc/?&ü-", max_size=6)


@fuzz(st.lists(names, max_size=8), st.sampled_from(["url", "sitemap"]), st.floats(0, 1), st.booleans())
def test_a_cut_file_names_nothing_that_the_whole_one_does_not(paths: list[str], kind: str, part: float, packed: bool) -> None:
    """Half a URL would be another URL: what a cut file gives is the beginning of what the whole one gives."""
    from xml.sax.saxutils import escape

    entries = "".join(f"<{kind}><loc>https://example.org/{escape(path)}</loc></{kind}>\n" for path in paths)
    body = f"<?xml version='1.0'?><{'urlset' if kind == 'url' else 'sitemapindex'}>{entries}</urlset>".encode()
    body = gzip.compress(body, 1) if packed else body
    whole, cut = parse_sitemap(body, URL), parse_sitemap(body[: int(len(body) * part)], URL)
    for of_cut, of_whole in ((cut.sitemaps, whole.sitemaps), (cut.urls, whole.urls)):
        assert of_cut == of_whole[: len(of_cut)]


@fuzz(st.sampled_from(PARTS) | soup(*PARTS, most=3), st.sampled_from(["", "<urlset>", "<a>&", "<!DOCTYPE a [", "<url><loc>", "http://"]))
def test_no_sitemap_stalls_a_crawl(piece: str, before: str) -> None:
    """Twice the document takes twice the time, also where it is broken."""
    assert_linear(lambda text: parse_sitemap(text.encode("utf-8", "replace"), URL), before, piece)

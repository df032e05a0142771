"""Sitemaps: every form of them gives its URLs, and the damaged ones give what they can."""

from __future__ import annotations

import gzip
import re
import time
from typing import Any

import pytest
from corpora import cases, files, told
from cost import cpu_seconds
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.core import sitemaps
from crawler.core.robots import parse_robots
from crawler.core.sitemaps import Sitemap, SitemapEntry, parse_sitemap
from crawler.core.urls import resolve

URL = "https://example.org/maps/sitemap.xml"
NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def parse(text: str | bytes, **options: bool) -> Sitemap:
    return parse_sitemap(text.encode() if isinstance(text, str) else text, URL, **options)


def urlset(inside: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {NAMESPACE}>{inside}</urlset>'


def pages(sitemap: Sitemap) -> list[str]:
    return [entry.url for entry in sitemap.urls]


# The public suites


def raw(argument: Any) -> bytes:
    return argument["latin1"].encode("latin-1") if isinstance(argument, dict) else argument.encode()


def test_cases_recorded_elsewhere() -> None:
    """Documents of Scrapy's tests give the locations, dates and alternates that are recorded for them."""
    suite = [case for case in cases("sitemaps_scrapy.json") if case["call"] == "sitemap"]
    wrong = []
    for case in suite:
        found = parse_sitemap(raw(case["args"][0]), "http://www.example.com/sitemap.xml")
        got = [(entry.url, entry.lastmod, entry.alternates) for entry in found.urls] or [(url, None, ()) for url in found.sitemaps]
        index = bool(found.sitemaps)
        expected = [(each["loc"], None if index else each.get("lastmod", ""), tuple(each.get("alternate", ()))) for each in case["result"]]
        if got != expected:
            wrong.append(case["test"])
    told("sitemaps_scrapy.json, sitemap", len(suite) - len(wrong), len(suite))
    assert not wrong


def test_sitemaps_that_a_robots_txt_names() -> None:
    """Its Sitemap lines, resolved, are the sitemaps that Scrapy's tests expect."""
    suite = [case for case in cases("sitemaps_scrapy.json") if case["call"] == "sitemap_urls_from_robots"]
    wrong = []
    for case in suite:
        named = parse_robots(raw(case["args"][0])).sitemaps
        if [resolve(name, case["kw"]["base_url"]) for name in named] != case["result"]:
            wrong.append(case)
    told("sitemaps_scrapy.json, robots.txt", len(suite) - len(wrong), len(suite))
    assert not wrong


def test_files_from_the_wild() -> None:
    """Files with wrong namespaces, prefixes, byte order marks, without loc elements or gzipped give all that they name."""
    found = {path.name: parse_sitemap(path.read_bytes(), "http://www.example.com/x/sitemap.xml") for path in files("sitemap_files")}
    told("sitemap_files", len(found), len(found))

    assert not [name for name, sitemap in found.items() if sitemap.error]
    assert {name: len(sitemap.urls) or len(sitemap.sitemaps) for name, sitemap in found.items()} == {
        "do-not-visit.txt": 1, "sitemap-with-bom.txt": 2, "sitemap.badns.xml": 2,
        "sitemap.index.xml": 15, "sitemap.ns.xml": 2, "xmlSitemap.gz": 5,
    }  # fmt: skip
    assert found["sitemap.index.xml"].sitemaps[0] == "https://example.com/sitemap.jss?portalCode=10260&lang=en"
    assert found["xmlSitemap.gz"].urls[2] == SitemapEntry("http://www.example.com/catalog?item=73&desc=vacation_new_zealand", "2004-12-23")


# Forms


def test_a_sitemap_gives_its_pages_with_their_dates() -> None:
    """Locations come in their order, trimmed and unescaped, with lastmod as written."""
    sitemap = parse(urlset(
        "<url><loc> https://example.org/a?x=1&amp;y=2 </loc><lastmod>2024-05-01</lastmod><changefreq>daily</changefreq></url>"
        "<url><priority>1</priority><loc><![CDATA[https://example.org/b&c]]></loc></url>"
        "<url><loc>https://example.org/caf\u00e9</loc><lastmod/></url>"
    ))  # fmt: skip

    assert sitemap == (
        (
            SitemapEntry("https://example.org/a?x=1&y=2", "2024-05-01"),
            SitemapEntry("https://example.org/b&c"),
            SitemapEntry("https://example.org/caf%C3%A9"),
        ),
        (),
        "",
    )


def test_an_index_gives_sitemaps_not_pages() -> None:
    """What an index names are sitemaps, also without a loc element around."""
    sitemap = parse(
        "<sitemapindex><sitemap><loc>/one.xml</loc><lastmod>2024</lastmod></sitemap>"
        "<sitemap>\nhttps://example.org/two.xml.gz\n</sitemap><sitemap>nothing</sitemap></sitemapindex>"
    )

    assert sitemap == ((), ("https://example.org/one.xml", "https://example.org/two.xml.gz"), "")


def test_languages_are_urls_and_images_are_no_pages() -> None:
    """hreflang alternates belong to their entry; image, video and news locations are not taken for pages."""
    sitemap = parse(urlset(
        '<url><image:image><image:loc>https://example.org/i.png</image:loc></image:image><loc>https://example.org/en</loc>'
        '<xhtml:link rel="alternate" hreflang="de" href="https://example.org/de"/>'
        '<xhtml:link rel="alternate" hreflang="fr"/><xhtml:link rel="canonical" href="https://example.org/x"/>'
        '<xhtml:link hreflang="it" rel="alternate" href="it?a=1&amp;b=2"/>'
        "<video:video><video:player_loc>https://example.org/v</video:player_loc></video:video></url>"
    ))  # fmt: skip

    languages = ("https://example.org/de", "https://example.org/maps/it?a=1&b=2")
    assert sitemap.urls == (SitemapEntry("https://example.org/en", "", languages, ("https://example.org/i.png",)),)
    assert sitemap.error == ""


def test_an_entry_that_names_other_languages_alone() -> None:
    """Without a location of its own, or with one that is none, the first language stands for it."""
    languages = '<link rel="alternate" hreflang="{0}" href="https://example.org/{0}"/>'
    inside = "".join(map(languages.format, ("de", "fr")))
    assert parse(urlset(f"<url>{inside}</url><url><loc>https://:</loc>{inside}</url>")).urls == (
        SitemapEntry("https://example.org/de", "", ("https://example.org/fr",)),
    ) * 2  # fmt: skip


def test_a_prefix_for_the_protocol_itself() -> None:
    """Elements count by their own names, whatever prefix the document has chosen."""
    sitemap = parse(
        "<s:urlset><s:url><s:loc>https://example.org/a</s:loc><image:image><image:loc>/i</image:loc></image:image></s:url></s:urlset>"
    )

    assert pages(sitemap) == ["https://example.org/a"]


def test_rss_gives_the_links_of_its_items() -> None:
    """An RSS feed gives each item's link, or its guid when that is a permalink, with the date; the channel's links are none."""
    sitemap = parse(
        '<?xml version="1.0"?><rss version="2.0"><channel><link>https://example.org/</link><atom:link href="/feed" rel="self"/>'
        "<item><title>A</title><link>https://example.org/a</link><guid>urn:1</guid><pubDate>Mon, 06 May 2024 10:00:00 GMT</pubDate></item>"
        '<item><atom:link rel="self" href="/x"/><guid isPermaLink="true">https://example.org/b</guid></item>'
        '<item><guid isPermaLink="false">https://example.org/c</guid></item><item><guid>17</guid></item>'
        "</channel></rss>"
    )

    assert sitemap.urls == (
        SitemapEntry("https://example.org/a", "Mon, 06 May 2024 10:00:00 GMT"),
        SitemapEntry("https://example.org/b"),
    )
    assert sitemap.error == ""


def test_rss_1_and_atom() -> None:
    """RDF items and Atom entries give their pages; an entry's own, not those of edit, self or enclosure links."""
    rdf = parse(
        '<rdf:RDF><channel><link>/</link></channel><item rdf:about="x"><link>https://example.org/a</link><dc:date>2024</dc:date></item></rdf:RDF>'
    )
    atom = parse(
        '<feed xmlns="http://www.w3.org/2005/Atom"><link href="/"/><entry><link rel="edit" href="/e"/><link rel="enclosure" href="/m.mp3"/>'
        '<link href="/b"/><link rel="alternate" href="/later"/><published>2023</published><updated>2024-01-02T03:04:05Z</updated>'
        '<content><a href="/no">x</a></content></entry><entry><link rel="alternate" type="text/html" href="c"/></entry></feed>'
    )

    assert rdf.urls == (SitemapEntry("https://example.org/a", "2024"),)
    assert atom.urls == (SitemapEntry("https://example.org/b", "2024-01-02T03:04:05Z"), SitemapEntry("https://example.org/maps/c"))


def test_a_text_sitemap_is_one_url_a_line() -> None:
    """Lines that are absolute URLs count, whatever the line ends; others are passed over."""
    sitemap = parse("\ufeffhttps://example.org/a\r\n  HTTP://example.org/b  \r/relative\n\nnonsense\nhttps://example.org/c")

    assert pages(sitemap) == ["https://example.org/a", "http://example.org/b", "https://example.org/c"]
    assert sitemap.error == ""


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "gb2312", "shift_jis", "windows-1251"])
def test_encodings(encoding: str) -> None:
    """The declared encoding is heeded, that of UTF-16 seen from the bytes."""
    letter = {"iso-8859-1": "\u00e9", "windows-1251": "\u0436"}.get(encoding, "\u4e2d")
    name = encoding if encoding[:6] != "utf-16" else "UTF-16"
    sitemap = parse(f'<?xml version="1.0" encoding="{name}"?>\n<urlset><url><loc>/{letter}</loc></url></urlset>'.encode(encoding))

    assert sitemap == parse(f"<urlset><url><loc>/{letter}</loc></url></urlset>")
    assert len(sitemap.urls) == 1


def test_blank_before_the_declaration() -> None:
    """Blank lines and a byte order mark before the XML declaration do no harm."""
    assert pages(parse(b"\n \xef\xbb\xbf\r\n" + urlset("<url><loc>/a</loc></url>").encode())) == ["https://example.org/a"]


# Which URLs


def test_only_http_urls_resolved_against_the_sitemap() -> None:
    """Relative locations are resolved; what does not lead to http(s), or nowhere, is dropped."""
    sitemap = parse(urlset("".join(f"<url><loc>{loc}</loc></url>" for loc in ("a", "../b", "//example.net/c", "ftp://x/", "http://[", ""))))

    assert pages(sitemap) == ["https://example.org/maps/a", "https://example.org/b", "https://example.net/c"]


def test_other_hosts_only_where_they_are_trusted() -> None:
    """Without `cross_host` entries, alternates and sitemaps on another host are dropped (sitemaps.org, location)."""
    text = urlset(
        '<url><loc>https://example.org/a</loc><xhtml:link href="https://de.example.org/a"/></url><url><loc>https://example.net/b</loc></url>'
        "<sitemap><loc>https://example.net/s.xml</loc></sitemap><sitemap><loc>http://example.org/s.xml</loc></sitemap>"
    )

    assert parse(text, cross_host=False) == ((SitemapEntry("https://example.org/a"),), ("http://example.org/s.xml",), "")
    assert [len(part) for part in parse(text)[:2]] == [2, 2]


# Damage


def test_a_truncated_file_keeps_what_came_before() -> None:
    """A file that ends in the middle gives all whole locations and says that it is broken."""
    whole = urlset("".join(f"<url><loc>/{number}</loc><lastmod>{number}</lastmod></url>" for number in range(100)))

    for cut in range(len(urlset("")), len(whole) - 1, 17):
        sitemap = parse(whole[:cut])
        complete = len(re.findall("<loc>[^<]*<", whole[:cut]))
        assert pages(sitemap) == [f"https://example.org/{number}" for number in range(complete)]
        assert sitemap.error.startswith("broken XML: ")


def test_broken_xml_is_searched_for_locations() -> None:
    """From the first error on locations are found by their tags: with bare ampersands, unclosed tags, images left out."""
    sitemap = parse(urlset(
        '<url><loc>/a</loc><xhtml:link href="/de"/></url>'
        "<url><image:image><image:loc>/i.png</image:loc></image:image><loc>/b?x=1&y=2&amp;z=3&#52;</loc><lastmod>2024</lastmod></url>"
        "<url><LOC><![CDATA[/c&d]]></LOC></url><br><url><loc>/e</loc></url><sitemap><loc>/s.xml</loc></sitemap>"
    ))  # fmt: skip

    assert sitemap.urls == (
        SitemapEntry("https://example.org/a", "", ("https://example.org/de",)),
        SitemapEntry("https://example.org/b?x=1&y=2&z=34", "2024"),
        SitemapEntry("https://example.org/c&d"),
        SitemapEntry("https://example.org/e"),
    )
    assert sitemap.sitemaps == ("https://example.org/s.xml",)
    assert sitemap.error.startswith("broken XML: not well-formed")


def test_a_broken_feed_is_searched_for_the_links_of_its_items() -> None:
    """The same holds for RSS."""
    sitemap = parse(
        "<rss><channel><link>/</link><title>A & B</title><item><link>/a</link><pubDate>May</pubDate></item><item><link>/b<item><link>/c"
    )

    assert sitemap.urls == (SitemapEntry("https://example.org/a", "May"), SitemapEntry("https://example.org/b"))


def test_junk_after_the_end_loses_nothing() -> None:
    """What a server appends to a whole sitemap makes an error, but no URL is lost or doubled."""
    sitemap = parse(urlset("<url><loc>/a</loc></url><url><loc>/b</loc></url>") + "<script>x</script>")

    assert pages(sitemap) == ["https://example.org/a", "https://example.org/b"]
    assert sitemap.error.startswith("broken XML: junk after document element")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("<!DOCTYPE html><html><head/><body><p>Not here</p></body></html>", "not a sitemap but <html>"),
        ('{"not": "here"}', "not a sitemap"),
        ("", "empty"),
        (urlset(""), ""),
        ("<rss/>", ""),
    ],
)
def test_what_is_no_sitemap_says_so(body: str, error: str) -> None:
    """An error page in place of a sitemap is told from an empty sitemap."""
    assert parse(body) == ((), (), error)


# Compression and limits


def test_gzip_in_one_or_several_members() -> None:
    """A gzipped sitemap is unpacked, whatever its name, also when it was appended to."""
    text = urlset("<url><loc>/a</loc></url>").encode()

    assert pages(parse(gzip.compress(text))) == ["https://example.org/a"]
    assert pages(parse(gzip.compress(text[:60]) + gzip.compress(text[60:]))) == ["https://example.org/a"]


def test_damaged_gzip_keeps_what_came_before() -> None:
    """A gzip that ends early or breaks in the middle gives what could be unpacked, with an error."""
    packed = gzip.compress(urlset("".join(f"<url><loc>/{number * 7919 % 10007}</loc></url>" for number in range(5000))).encode())

    cut = parse(packed[: len(packed) // 2])
    broken = parse(packed[: len(packed) // 2] + b"\xff" * 1000)

    assert len(cut.urls) > 1000
    assert cut.error
    assert broken.error
    assert parse(gzip.compress(b"https://example.org/a\nhttps://example.org/b")[:-4]) == (
        (SitemapEntry("https://example.org/a"),),
        (),
        "truncated gzip",
    )


def test_declared_attributes_take_no_time() -> None:
    """A document that declares attributes by the thousand is searched instead: a parser would give all of them to every element."""
    declared = " ".join(f'x{number} CDATA ""' for number in range(20_000))
    started = time.process_time()
    found = parse(f"<!DOCTYPE urlset [<!ATTLIST url {declared}>]><urlset>{'<url><loc>https://example.org/a</loc></url>' * 9}</urlset>")
    assert time.process_time() - started < 0.5
    assert found == ((SitemapEntry("https://example.org/a"),) * 9, (), "attribute declarations are refused")


def test_a_gzip_bomb_is_cut_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the limit is unpacked; what lies before it counts."""
    monkeypatch.setattr(sitemaps, "MAX_SITEMAP_SIZE", 100_000)
    bomb = gzip.compress(b"https://example.org/a\n" + b"x" * 10_000_000)

    assert parse(bomb) == ((SitemapEntry("https://example.org/a"),), (), "larger than 50 MB")
    assert parse(bomb * 3) == parse(bomb)
    assert parse(b"https://example.org/a\n" + b"x" * 100_000) == parse(bomb)


def test_more_urls_than_the_protocol_allows_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files with more than 50,000 entries are read, but not without end: alternates count as well."""
    monkeypatch.setattr(sitemaps, "MAX_SITEMAP_URLS", 10)
    entry = '<url><loc>/a</loc><xhtml:link href="/b"/></url>'

    assert parse(urlset(entry * 5)).error == ""
    for text in (urlset(entry * 6), urlset("&" + entry * 11), "https://example.org/a\n" * 11):
        sitemap = parse(text)
        assert sitemap.error == "more than 10 URLs"
        assert 5 <= len(sitemap.urls) <= 10


def test_entities_are_never_expanded() -> None:
    """A document that declares entities is searched instead of parsed: no bomb goes off, no file is read."""
    declarations = '<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    bomb = f'<!DOCTYPE x [{declarations}<!ENTITY file SYSTEM "file:///etc/passwd">]>'
    sitemap = parse(f"{bomb}<urlset><url><loc>/x&i;</loc></url><url><loc>/y&file;</loc></url></urlset>")

    assert sitemap == (
        (SitemapEntry("https://example.org/y"),),
        (),
        "entity declarations are refused",
    )


def test_what_refers_to_a_refused_entity_is_no_url() -> None:
    """What it stands for is in the file and is not read (XML 1.0, 4.4.2), and without it the URL would be another one. What lies in another
    file stands for nothing (4.4.3)."""
    entries = "<url><loc>https://example.org/&path;a</loc></url><url><loc>https://example.org/b?x=1&amp;y&#61;2</loc></url>"
    found = parse(f'<!DOCTYPE urlset [<!ENTITY path "docs/">]><urlset>{entries}</urlset>')
    assert found.urls == (SitemapEntry("https://example.org/b?x=1&y=2"),)
    assert found.error == "entity declarations are refused"


def test_an_xml_base_says_what_links_are_relative_to() -> None:
    """Of a feed, an entry and a link, each relative to the one around it (XML Base, 3.1; RFC 4287, 2)."""
    found = parse(
        '<feed xml:base="/blog/"><entry xml:base="2024/"><link href="a"/></entry><entry><link xml:base="http://b.test/" href="b"/></entry>'
        '<entry><link href="c"/></entry><entry xml:base="http://["><link href="d"/></entry></feed>'
    )
    assert [entry.url for entry in found.urls] == [
        "https://example.org/blog/2024/a", "http://b.test/b", "https://example.org/blog/c", "https://example.org/blog/d",
    ]  # fmt: skip
    rss = parse('<rss xml:base="/x/"><channel><item><link>e</link></item></channel></rss>')
    assert [entry.url for entry in rss.urls] == ["https://example.org/x/e"]


def test_a_doctype_without_entities_is_harmless() -> None:
    """Feeds that name a DTD are parsed; the DTD is not fetched."""
    sitemap = parse('<!DOCTYPE rss SYSTEM "http://example.net/rss.dtd"><rss><channel><item><link>/a</link></item></channel></rss>')

    assert sitemap == ((SitemapEntry("https://example.org/a"),), (), "")


def test_endless_nesting_is_refused() -> None:
    """Elements nested without end cost no more than a search."""
    sitemap = parse("<urlset><url><loc>/a</loc></url>" + "<a>" * 100_000 + "<url><loc>/b</loc></url>")

    assert pages(sitemap) == ["https://example.org/a", "https://example.org/b"]
    assert sitemap.error == "elements nested deeper than 100"


# For every input


PARTS = re.findall(
    r"\S+",
    r"""<urlset> </urlset> <url> </url> <loc> </loc> <loc /a & &amp; &x; &#0; &#x110000; <![CDATA[ ]]> <sitemap> <item> <entry> <lastmod>
<!DOCTYPE_a_[ <!ENTITY_x_'y'> ]> <?xml_version='1.0'_encoding=' punycode utf-16 utf-8 hex '?> <!-- --> <link_href=' '/> http:// [ \0 \ufeff
""",
)
pieces = st.lists(st.sampled_from(PARTS)).map(lambda parts: "".join(parts).replace("_", " ").encode())


@given(st.one_of(st.binary(), pieces))
@example(b"\x1f\x8b")
@example(b"<?xml version='1.0' encoding='hex'?><a/>")
def test_no_input_raises(body: bytes) -> None:
    """Any bytes are answered, and every URL that comes out is absolute."""
    for document in (body, gzip.compress(body), body.decode("latin-1").encode("utf-16")):
        sitemap = parse(document)
        assert all(url.startswith(("http://", "https://")) for url in (*pages(sitemap), *sitemap.sitemaps))


# Cost


@pytest.mark.parametrize(
    "hostile",
    ["<loc", "<loc ", "<loc><![CDATA[", "<url><loc>", "<", "&", "<a x='", "<?xml encoding ", "<url ", "<!--", "</url>", "http://x ", "<a:"],
)
def test_hostile_documents_cost_linear_time(hostile: str) -> None:
    """Eight times of what is meant to confuse the search costs about eight times, where trying all ways would cost 64."""
    body = ("<a>&" + hostile * (200_000 // len(hostile))).encode()

    assert cpu_seconds(lambda: parse(body)) < 32 * cpu_seconds(lambda: parse(body[: len(body) // 8])) + 0.01


def test_fifty_thousand_entries_are_all_there() -> None:
    """A sitemap as large as the protocol allows is read whole."""
    entry = "<url><loc>https://example.org/some/path/{}</loc><lastmod>2024-01-01</lastmod></url>"
    sitemap = parse(urlset("".join(entry.format(number) for number in range(50_000))))

    assert (len(sitemap.urls), sitemap.error) == (50_000, "")
    assert sitemap.urls[-1] == SitemapEntry("https://example.org/some/path/49999", "2024-01-01")

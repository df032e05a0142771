"""GraphML: pages as nodes, the links between them as edges, for Gephi, networkx, igraph, yEd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from crawler.report.export.watch import Watch
from crawler.report.parts import in_parts
from crawler.report.results import Results
from crawler.text import printable

_NODES = """
SELECT row, id, url, status, outcome, depth, content_type, bytes, title FROM pages
WHERE row > :after AND row <= :last ORDER BY row LIMIT :rows
"""
_LAST_NODE = "SELECT max(row) FROM pages"
# Only between pages that were there when the nodes were read.
_EDGES = """
SELECT l.link, l.src, l.dst, l.kind, l.rel, l.text FROM links l
WHERE l.link > :after AND l.link <= :last AND EXISTS (SELECT 1 FROM pages p WHERE p.id = l.src AND p.row <= :nodes)
  AND EXISTS (SELECT 1 FROM pages p WHERE p.id = l.dst AND p.row <= :nodes) ORDER BY l.link LIMIT :rows
"""
_LAST_EDGE = "SELECT max(link) FROM links"

_OF_NODES = {
    "url": "string",
    "status": "int",
    "outcome": "string",
    "depth": "int",
    "content_type": "string",
    "bytes": "long",
    "title": "string",
}
_OF_EDGES = {"kind": "string", "rel": "string", "text": "string"}


def graphml(results: Results, watch: Watch) -> Iterator[str]:
    """The document, piece by piece. A node's id is the id of its URL; a page that links to another twice has two edges.

    Source: GraphML 1.0 (graphml.graphdrawing.org).
    """
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    for what, keys in (("node", _OF_NODES), ("edge", _OF_EDGES)):
        for name, kind in keys.items():
            yield f'<key id="{what}_{name}" for="{what}" attr.name="{name}" attr.type="{kind}"/>\n'
    yield '<graph id="crawl" edgedefault="directed">\n'
    nodes = results.connection.execute(_LAST_NODE).fetchone()[0] or 0
    yield from watch(in_parts(results.connection, _NODES, _LAST_NODE, _node), "pages")
    yield from watch(in_parts(results.connection, _EDGES, _LAST_EDGE, _edge, nodes=nodes), "links")
    yield "</graph>\n</graphml>\n"


def _node(row: tuple[Any, ...]) -> str:
    return f'<node id="{row[1]}">{_data("node", _OF_NODES, row[2:])}</node>\n'


def _edge(row: tuple[Any, ...]) -> str:
    return f'<edge source="{row[1]}" target="{row[2]}">{_data("edge", _OF_EDGES, row[3:])}</edge>\n'


def _data(what: str, names: dict[str, str], values: tuple[Any, ...]) -> str:
    return "".join(
        f'<data key="{what}_{name}">{xml(str(value))}</data>' for name, value in zip(names, values, strict=True) if value not in (None, "")
    )


def xml(text: str) -> str:
    """The text as XML can hold it: controls, which it cannot, are escaped as everywhere."""
    return escape(printable(text))

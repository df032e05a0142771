"""Parquet, by pyarrow: the rows of pages, or Common Crawl's index of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from crawler.errors import UsageError
from crawler.report.export.commoncrawl import captures
from crawler.store.row import PageRow
from crawler.text import as_json

if TYPE_CHECKING:
    import pyarrow

ROWS_AT_ONCE = 10_000
"""Rows of a row group: what is in memory at one time."""

_OF_PAGES = {
    "url": "!string", "status": "!int16", "ok": "!bool", "outcome": "!string", "error": "string", "error_detail": "string",
    "redirect_to": "string", "depth": "!int32", "parent": "string", "content_type": "string", "charset": "string", "bytes": "!int64",
    "sha256": "string", "title": "string", "fetched_at": "time", "ttfb_ms": "double", "total_ms": "double", "attempts": "!int32",
    "file": "string", "links": "!int32", "data": "!string",
}  # fmt: skip
_OF_CAPTURES = {
    "url_surtkey": "!string", "url": "!string", "url_host_name": "!string", "url_host_tld": "string", "url_host_2nd_last_part": "string",
    "url_host_3rd_last_part": "string", "url_host_4th_last_part": "string", "url_host_5th_last_part": "string",
    "url_host_registry_suffix": "string", "url_host_registered_domain": "string", "url_host_private_suffix": "string",
    "url_host_private_domain": "string", "url_host_name_reversed": "string", "url_protocol": "!string", "url_port": "int32",
    "url_path": "!string", "url_query": "string", "fetch_time": "!time", "fetch_status": "!int16", "fetch_redirect": "string",
    "content_mime_type": "string", "content_charset": "string", "crawl": "!string", "subset": "!string",
}  # fmt: skip


def arrow() -> Any:
    """pyarrow. Raises UsageError when it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError("parquet needs pyarrow", str(error), "pip install 'asyncrawl[parquet]'") from error
    return pyarrow


def write_pages(file: BinaryIO, pages: Iterable[PageRow]) -> None:
    """Writes the rows of pages with the columns of `PageRow`: `fetched_at` is a time, `data` JSON."""
    _write(file, _OF_PAGES, (row._replace(data=as_json(row.data)) for row in pages))  # type: ignore[arg-type]


def write_captures(file: BinaryIO, pages: Iterable[PageRow], crawl: str) -> None:
    """Writes the answers as rows of Common Crawl's URL index."""
    _write(file, _OF_CAPTURES, captures(pages, crawl))


def _write(file: BinaryIO, columns: dict[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
    pyarrow = arrow()
    schema = _schema(pyarrow, columns)
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for part in _parts(iter(rows)):
            arrays = [_array(pyarrow, field, values) for field, values in zip(schema, zip(*part, strict=True), strict=True)]
            writer.write_batch(pyarrow.RecordBatch.from_arrays(arrays, schema=schema))


def _parts(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while part := list(islice(rows, ROWS_AT_ONCE)):
        yield part


def _schema(pyarrow: Any, columns: dict[str, str]) -> pyarrow.Schema:
    """A name of a type with ! in front cannot be null."""
    kinds = {"bool": pyarrow.bool_(), "time": pyarrow.timestamp("us", tz="UTC"), "double": pyarrow.float64()}
    fields = ((name, kind.removeprefix("!"), not kind.startswith("!")) for name, kind in columns.items())
    return pyarrow.schema([pyarrow.field(name, kinds.get(kind) or getattr(pyarrow, kind)(), nullable) for name, kind, nullable in fields])


def _array(pyarrow: Any, field: Any, values: tuple[Any, ...]) -> Any:
    if pyarrow.types.is_timestamp(field.type):
        # 2026-11-22T18:40:02.123456Z
        return pyarrow.array(values, pyarrow.string()).cast(field.type)
    return pyarrow.array(values, field.type)

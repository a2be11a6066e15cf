"""Manifests and aliases as FORMAT.md describes them, written and read with pyarrow and xxhash alone.

Written from that page, not from the command's source: where both agree, the page is enough.
"""

import base64
import time
from dataclasses import dataclass

import pyarrow as pa
import xxhash

from arrow_files import codecs_in, read_stream, value_of
from chunks import manifest_key, store

COLUMNS = {
    "partition": pa.uint64(),
    "batch": pa.uint32(),
    "rows": pa.uint64(),
    "bytes": pa.uint64(),
    "checksum": pa.uint64(),
}
CHECKSUM_BYTES = 8
# Their order in the stream's metadata means nothing.
KEYS = ["format", "dataset_id", "schema", "codec", "created_ms", "writer"]


@dataclass(frozen=True)
class Manifest:
    """What a manifest says; `chunks` has a row (a mapping by column) for each chunk."""

    chunks: list
    schema: pa.Schema
    dataset_id: str
    codec: str
    created_ms: int
    writer: str
    ttl_ms: int | None = None


def checksum(value):
    return xxhash.xxh3_64_intdigest(value)


def sealed(stream):
    """A stream with its checksum behind it."""
    return stream + checksum(stream).to_bytes(CHECKSUM_BYTES, "little")


def unsealed(value):
    """The stream of a value whose checksum is right."""
    stream, end = value[:-CHECKSUM_BYTES], value[-CHECKSUM_BYTES:]
    assert checksum(stream) == int.from_bytes(end, "little")
    return stream


def row(place, value):
    """What a manifest says of a chunk with this value."""
    numbers = [*place, read_stream(value).num_rows, len(value), checksum(value)]
    return dict(zip(COLUMNS, numbers, strict=True))


def codec(values):
    """The codec of values that are long enough to be worth compressing."""
    found = {name for value in values for name in codecs_in(value) or {"uncompressed"}}
    return found.pop() if len(found) == 1 else "mixed"


def of(values, dataset_id="0123456789abcdef" * 2, **changes):
    """The manifest of values under (partition, batch)."""
    made = {
        "chunks": [row(place, value) for place, value in sorted(values.items())],
        "schema": read_stream(next(iter(values.values()))).schema,
        "dataset_id": dataset_id,
        "codec": codec(values.values()),
        "created_ms": time.time_ns() // 1_000_000,
        "writer": "pyarrow",
    }
    return Manifest(**(made | changes))


def metadata(manifest):
    pairs = {
        "format": "1",
        "dataset_id": manifest.dataset_id,
        "schema": base64.b64encode(value_of(schema=manifest.schema)).decode(),
        "codec": manifest.codec,
        "created_ms": str(manifest.created_ms),
        "writer": manifest.writer,
    }
    if manifest.ttl_ms is not None:
        pairs["ttl_ms"] = str(manifest.ttl_ms)
    return {f"arrowredis.{name}": text for name, text in pairs.items()}


def table(manifest):
    """The table in a manifest's stream, for a test to change."""
    schema = pa.schema([pa.field(*pair, nullable=False) for pair in COLUMNS.items()], metadata(manifest))
    return pa.Table.from_pylist(manifest.chunks, schema)


def alias_table(name):
    """The table in the stream of an alias of `name`, for a test to change."""
    pairs = {"arrowredis.format": "1", "arrowredis.alias": name}
    return pa.schema(COLUMNS.items(), pairs).empty_table()


def encoded(table, **options):
    """The value to store for the table of a manifest or an alias."""
    return sealed(value_of(*table.to_batches(), schema=table.schema, **options))


def publish(client, prefix, values, **changes):
    """Stores values under (partition, batch), then the manifest that lists them."""
    store(client, prefix, values)
    client.set(manifest_key(prefix), encoded(table(of(values, **changes))))


def decoded(value):
    """What a manifest says; fails unless every field is spelled as FORMAT.md has it."""
    table = read_stream(unsealed(value))
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == COLUMNS
    assert [column.null_count for column in table.columns] == [0] * len(COLUMNS)
    places = list(zip(table["partition"].to_pylist(), table["batch"].to_pylist(), strict=True))
    assert places == sorted(set(places))

    pairs = {name.decode(): text.decode() for name, text in table.schema.metadata.items()}
    pairs = {name.removeprefix("arrowredis."): text for name, text in pairs.items()}
    assert pairs.pop("format") == "1"
    assert pairs.keys() - {"ttl_ms"} == set(KEYS) - {"format"}
    schema = read_stream(base64.b64decode(pairs["schema"], validate=True))
    assert schema.num_rows == 0
    numbers = {name: int(pairs[name]) for name in ("created_ms", "ttl_ms") if name in pairs}
    return Manifest(**(pairs | numbers | {"chunks": table.to_pylist(), "schema": schema.schema}))


def published(client, prefix):
    """The manifest of a dataset that the server holds."""
    return decoded(client.get(manifest_key(prefix)))

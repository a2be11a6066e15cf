"""`split` and `read` over every type and shape that pyarrow can write, as a file and as a stream.

Owns the round trip pyarrow -> split -> Redis -> read -> pyarrow. Dictionaries that change on the way
are in test_dictionaries.py, the column "partition" is in test_partition_column.py.
"""

import pyarrow as pa
import pytest

from arrow_files import (
    V4,
    assert_same,
    children,
    each,
    messages,
    read_chunks,
    read_file,
    read_stream,
    value_of,
    write,
    write_batches,
)
from chunks import key, stored
from tables import ALL_TYPES, DICTIONARY, LONG, NESTED, PRIMITIVE, SCHEMA, SHAPES, in_batches, without_columns

CODECS = pytest.mark.parametrize("codec", ["keep", "zstd"])
CONTAINERS = pytest.mark.parametrize("container", ["file", "stream"])

# The older format says nothing about run-end encoding, which is in test_refused.py.
BEFORE_RUN_ENDS = ALL_TYPES.drop(
    [name for name in ALL_TYPES.column_names if "run" in name or name == "struct-of-union"]
)


def assert_round_trip(arrowredis, client, prefix, folder, source, table, codec):
    """Stores a source and finds the same table in the values, in a file, in a stream and by `verify`."""
    arrowredis.split(source, prefix, "--compression", codec)
    values = stored(client, prefix).values()
    assert [len(read_stream(value)) for value in values] == (
        [len(batch) for batch in table.to_batches()] or [0]
    )
    assert_same(read_chunks(values), table)

    copy = arrowredis.read_to_file(prefix, folder / "copy.arrow")
    assert_same(read_file(copy), table)
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), table)
    arrowredis.verify(source, copy)


def kinds_in(type):
    return {type.id}.union(*map(kinds_in, children(type)))


def test_the_tables_hold_every_type_that_pyarrow_has():
    kinds = {name: getattr(pa.lib, name) for name in dir(pa.lib) if name.startswith("Type_")}
    held = set().union(
        *(
            kinds_in(type)
            for table in (PRIMITIVE | NESTED | DICTIONARY | SHAPES).values()
            for type in table.schema.types
        )
    )
    # Python can neither make these two nor read their values.
    unmade = {"Type_INTERVAL_MONTHS", "Type_INTERVAL_DAY_TIME"}
    assert {name for name, kind in kinds.items() if kind not in held} == unmade


@CODECS
@CONTAINERS
@each(PRIMITIVE | NESTED | DICTIONARY | SHAPES)
def test_a_table_survives(arrowredis, client, prefix, tmp_path, table, container, codec):
    source = write(table, tmp_path / "source", container)
    assert_round_trip(arrowredis, client, prefix, tmp_path, source, table, codec)


@CODECS
@pytest.mark.parametrize(
    ("container", "written"),
    [
        pytest.param("file", {"compression": "zstd"}, id="zstd-file"),
        pytest.param("stream", {"compression": "lz4"}, id="lz4-stream"),
        pytest.param("file", {"metadata_version": V4}, id="v4-file"),
        pytest.param("stream", {"metadata_version": V4}, id="v4-stream"),
        pytest.param("file", {"use_legacy_format": True}, id="legacy-file"),
        pytest.param("stream", {"use_legacy_format": True}, id="legacy-stream"),
        pytest.param("stream", {"use_legacy_format": True, "metadata_version": V4}, id="legacy-v4-stream"),
    ],
)
@each(
    {
        "all-types": BEFORE_RUN_ENDS,
        "metadata": SHAPES["metadata"],
        "dense-union": NESTED["dense-union"],
        "nested-dictionaries": DICTIONARY["in-dictionary-in-dictionary"],
        "dictionary-in-union": DICTIONARY["in-sparse-union"],
        "long": in_batches(LONG, 3_000),
        "no-batches": SHAPES["no-batches"],
        "no-columns": SHAPES["no-columns"],
    }
)
def test_a_table_survives_however_it_was_written(
    arrowredis, client, prefix, tmp_path, table, container, written, codec
):
    source = write(table, tmp_path / "source", container, **written)
    assert_round_trip(arrowredis, client, prefix, tmp_path, source, table, codec)


@CODECS
def test_the_bits_of_a_float_survive(arrowredis, prefix, tmp_path, codec):
    bits = [0x7FF8000000000001, 0xFFF8000000000123, 0x7FF0000000000001, 0x8000000000000000]
    table = pa.table({"v": pa.array(bits, pa.uint64()).view(pa.float64())})
    source = write(table, tmp_path / "source")
    arrowredis.split(source, prefix, "--compression", codec)
    copy = arrowredis.read_to_file(prefix, tmp_path / "copy.arrow")
    assert read_file(copy)["v"].combine_chunks().view(pa.uint64()).to_pylist() == bits
    arrowredis.verify(source, copy)


@CONTAINERS
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"], ids=["uncompressed", "lz4", "zstd"])
def test_keep_forwards_the_bytes_of_every_batch(arrowredis, client, prefix, tmp_path, container, compression):
    table = in_batches(LONG, 3_000)
    arrowredis.split(write(table, tmp_path / "source", container, compression=compression), prefix)
    bodies = [messages(value)[-1].body for value in stored(client, prefix).values()]
    expected = [messages(value_of(batch, compression=compression))[-1].body for batch in table.to_batches()]
    assert bodies == expected


@pytest.mark.parametrize("codec", ["keep", "zstd", "lz4", "uncompressed"])
@each(
    {
        "all-types": ALL_TYPES,
        "dictionary": DICTIONARY["in-struct-in-dictionary"],
        "long": in_batches(LONG, 3_000),
        "no-batches": SHAPES["no-batches"],
    }
)
def test_bodies_are_aligned_and_versions_are_5(arrowredis, client, prefix, tmp_path, table, codec):
    arrowredis.split(
        write(table, tmp_path / "source", use_legacy_format=True), prefix, "--compression", codec
    )
    streams = [*stored(client, prefix).values(), arrowredis.read_to_stdout(prefix)]
    for message in (message for stream in streams for message in messages(stream)):
        assert (message.body_at % 64, message.version.name) == (0, "V5"), message.kind


@pytest.mark.parametrize("codec", ["keep", "uncompressed"])
def test_buffers_of_a_mapped_file_are_aligned(arrowredis, prefix, tmp_path, codec):
    """So that a reader can use them where they lie."""
    arrowredis.split(write(in_batches(LONG, 3_000), tmp_path / "source"), prefix)
    copy = arrowredis.read_to_file(prefix, tmp_path / "copy.arrow", "--compression", codec)
    with pa.memory_map(str(copy)) as mapped, pa.ipc.open_file(mapped) as reader:
        for index in range(reader.num_record_batches):
            assert reader.get_batch(index)["n"].buffers()[1].address % 64 == 0


FULL = SHAPES["metadata"].to_batches()[0]
EMPTY = FULL.slice(0, 0)
NO_COLUMNS = [without_columns(rows) for rows in (3, 0, 2, 0)]


@CODECS
@CONTAINERS
@pytest.mark.parametrize(
    "batches",
    [
        pytest.param([EMPTY], id="one"),
        pytest.param([EMPTY] * 3, id="only"),
        pytest.param([EMPTY, FULL, EMPTY, EMPTY, FULL, EMPTY], id="among-others"),
        pytest.param(NO_COLUMNS, id="no-columns"),
    ],
)
def test_batches_without_rows_are_chunks_like_others(
    arrowredis, client, prefix, tmp_path, batches, container, codec
):
    schema = batches[0].schema
    source = write_batches(schema, batches, tmp_path / "source", container)
    arrowredis.split(source, prefix, "--compression", codec)

    copies = [pa.ipc.open_stream(arrowredis.read_to_stdout(prefix))]
    copies.append(pa.ipc.open_file(str(arrowredis.read_to_file(prefix, tmp_path / "copy.arrow"))))
    rows = [len(batch) for batch in batches]
    assert [len(read_stream(value)) for value in stored(client, prefix).values()] == rows
    assert [len(batch) for batch in copies[0]] == rows
    assert [len(copies[1].get_batch(i)) for i in range(copies[1].num_record_batches)] == rows
    assert all(copy.schema.equals(schema, check_metadata=True) for copy in copies)
    arrowredis.verify(source, tmp_path / "copy.arrow")


def test_a_file_without_batches_becomes_one_chunk_without_rows(arrowredis, client, prefix, tmp_path):
    report = arrowredis.split(write(pa.Table.from_batches([], SCHEMA), tmp_path / "source"), prefix)
    (value,) = stored(client, prefix).values()
    assert list(stored(client, prefix)) == [key(prefix, 0, 0)]
    assert read_stream(value).schema.equals(SCHEMA, check_metadata=True)
    assert (report["chunks"], report["rows"]) == (1, 0)


@CONTAINERS
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [(0, b) for b in range(5)]),
        (["--batches", 2], [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]),
        (["--batches", 1], [(p, 0) for p in range(5)]),
        (["--batches", 99], [(0, b) for b in range(5)]),
    ],
    ids=["all-in-one", "two-each", "one-each", "more-than-there-are"],
)
def test_batches_are_counted_in_file_order(
    arrowredis, client, prefix, tmp_path, options, expected, container
):
    table = in_batches(LONG, 2_000)
    arrowredis.split(write(table, tmp_path / "source", container), prefix, *options)
    values = stored(client, prefix)
    assert list(values) == [key(prefix, *place) for place in expected]
    assert [read_stream(value)["n"][0].as_py() for value in values.values()] == [0, 2000, 4000, 6000, 8000]


def test_splitting_again_overwrites(arrowredis, prefix, tmp_path):
    for table in (in_batches(LONG, 2_000), in_batches(LONG.slice(7), 2_000)):
        arrowredis.split(write(table, tmp_path / "source"), prefix, "--replace")
    assert_same(read_file(arrowredis.read_to_file(prefix, tmp_path / "copy.arrow")), LONG.slice(7))


@pytest.mark.parametrize("written", ["keep", "lz4"])
@pytest.mark.parametrize("codec", ["keep", "zstd"])
def test_the_metadata_of_a_batch_is_kept(arrowredis, client, prefix, tmp_path, codec, written):
    """Also where a batch is encoded anew, or divided by partition."""
    batches = [pa.record_batch({"partition": [0, 0], "n": [1, 2]}), pa.record_batch({"partition": [1, 2], "n": [3, 4]})]
    with pa.ipc.new_stream(tmp_path / "source", batches[0].schema) as writer:
        for name, batch in zip("ab", batches, strict=True):
            writer.write_batch(batch, custom_metadata={"name": name, "größe": "日本"})
    arrowredis.split(tmp_path / "source", prefix, "--compression", codec)

    def names(stream):
        reader = pa.ipc.open_stream(stream)
        found = []
        while True:
            try:
                found.append(reader.read_next_batch_with_custom_metadata().custom_metadata.to_dict())
            except StopIteration:
                return [(pairs[b"name"], pairs["größe".encode()].decode()) for pairs in found]

    assert [names(value) for value in stored(client, prefix).values()] == [
        [(b"a", "日本")],
        [(b"b", "日本")],
        [(b"b", "日本")],
    ]
    copy = arrowredis.read_to_stdout(prefix, "--compression", written)
    assert names(copy) == [(b"a", "日本"), (b"b", "日本"), (b"b", "日本")]

"""Values that pyarrow wrote and redis-py stored under our keys, read by `read` and again by pyarrow."""

import pyarrow as pa
import pytest

from arrow_files import (
    V4,
    V5,
    assert_same,
    codecs,
    codecs_in,
    each,
    messages,
    read_file,
    read_stream,
    value_of,
)
from chunks import key, store
from tables import (
    ALL_TYPES,
    DICTIONARY,
    LONG,
    NESTED,
    PRIMITIVE,
    SCHEMA,
    SHAPES,
    dictionary_arrays,
    in_batches,
)

# Overlapping words in another order each time: some new, some known, none at its old place.
WORDS = ["abc", "dea", "ebd", "fga"]
CHANGING = [dictionary_arrays(*words) for words in WORDS]
CHANGING = {name: [pa.record_batch({"v": arrays[name]}) for arrays in CHANGING] for name in CHANGING[0]}

BATCHES = in_batches(LONG, 1_000).to_batches()


def assert_reads(arrowredis, prefix, folder, table, *options):
    """Both outputs of `read` hold the table."""
    assert_same(read_file(arrowredis.read_to_file(prefix, folder / "copy.arrow", *options)), table)
    stream = arrowredis.read_to_stdout(prefix, *options)
    assert_same(read_stream(stream), table)
    assert {message.version for message in messages(stream)} == {V5}


@each(PRIMITIVE | NESTED | DICTIONARY)
def test_a_batch_a_key(arrowredis, client, prefix, tmp_path, table):
    store(client, prefix, {(0, i): value_of(batch) for i, batch in enumerate(table.to_batches())})
    assert_reads(arrowredis, prefix, tmp_path, table)


@pytest.mark.parametrize("codec", ["keep", "zstd", "lz4", "uncompressed"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"], ids=["uncompressed", "lz4", "zstd"])
@each({"all-types": ALL_TYPES, "long": LONG})
def test_every_codec_in_and_out(arrowredis, client, prefix, tmp_path, table, compression, codec):
    batches = table.to_batches()
    store(client, prefix, {(i, 0): value_of(*batches, compression=compression) for i in range(2)})
    assert_reads(arrowredis, prefix, tmp_path, pa.Table.from_batches(batches * 2), "--compression", codec)
    if table is LONG:
        written = codecs((compression or "uncompressed") if codec == "keep" else codec)
        assert codecs_in((tmp_path / "copy.arrow").read_bytes()) == written
        assert codecs_in(arrowredis.read_to_stdout(prefix, "--compression", codec)) == written


@pytest.mark.parametrize("codec", ["keep", "zstd"])
@pytest.mark.parametrize("first", ["new", "old"])
@each(
    {
        "union": NESTED["dense-union"],
        "dictionary": DICTIONARY["in-sparse-union"],
        "metadata": SHAPES["metadata"],
    }
)
def test_chunks_of_mixed_make_become_one_version(arrowredis, client, prefix, tmp_path, table, first, codec):
    """Codecs and metadata versions may change from chunk to chunk; what is written has one version."""
    batch = table.to_batches()[0]
    made = [{}, {"metadata_version": V4}, {"compression": "lz4"}, {"use_legacy_format": True}]
    made = made if first == "new" else made[1:] + made[:1]
    store(client, prefix, {(0, i): value_of(batch, **options) for i, options in enumerate(made)})
    assert_reads(arrowredis, prefix, tmp_path, pa.Table.from_batches([batch] * 4), "--compression", codec)


@each(CHANGING)
def test_dictionaries_that_differ_from_chunk_to_chunk(arrowredis, client, prefix, tmp_path, table):
    """A file may hold one dictionary a column, so `read` brings them to one; a stream may replace them."""
    store(client, prefix, {(i // 3, i % 3): value_of(batch) for i, batch in enumerate(table)})
    assert_reads(arrowredis, prefix, tmp_path, pa.Table.from_batches(table))


@each(CHANGING)
def test_dictionaries_that_are_replaced_inside_a_value(arrowredis, client, prefix, tmp_path, table):
    store(client, prefix, {(0, 0): value_of(*table), (0, 1): value_of(*reversed(table))})
    assert_reads(arrowredis, prefix, tmp_path, pa.Table.from_batches([*table, *reversed(table)]))


@pytest.mark.parametrize(
    ("keys", "most"),
    [(pa.int8(), 2**7), (pa.uint8(), 2**8), (pa.int16(), 2**15)],
    ids=["int8", "uint8", "int16"],
)
def test_a_dictionary_fills_its_keys_and_no_more(arrowredis, client, prefix, tmp_path, keys, most):
    def batch(words):
        indices = pa.array(range(len(words)), keys)
        return pa.record_batch({"v": pa.DictionaryArray.from_arrays(indices, pa.array(words))})

    words = [str(number) for number in range(most + 1)]
    half, fits, bursts = batch(words[: most // 2]), batch(words[most // 3 : most]), batch(words[most // 2 :])
    store(client, prefix, {(0, 0): value_of(half), (0, 1): value_of(fits)})
    assert_reads(arrowredis, prefix, tmp_path, pa.Table.from_batches([half, fits]))

    store(client, prefix, {(0, 1): value_of(bursts)})
    out = tmp_path / "burst.arrow"
    message = arrowredis.refused("read", "--prefix", prefix, "--out", out, exit=2)
    assert "stream" in message
    assert not out.exists()
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), pa.Table.from_batches([half, bursts]))


def test_values_of_several_batches_and_of_none(arrowredis, client, prefix, tmp_path):
    empty = value_of(schema=LONG.schema)
    values = {
        (0, 0): empty,
        (0, 1): value_of(*BATCHES[:4]),
        (0, 2): empty,
        (1, 0): value_of(*BATCHES[4:]),
        (2, 0): empty,
    }
    store(client, prefix, values)
    assert_reads(arrowredis, prefix, tmp_path, LONG)

    store(client, f"{prefix}:none", {(0, 0): empty})
    assert_reads(arrowredis, f"{prefix}:none", tmp_path, LONG.slice(0, 0))


def test_partitions_and_batches_are_read_by_number(arrowredis, client, prefix, tmp_path):
    """Not by the text of their keys, nor by the order in which they were stored."""
    places = [
        (0, 0),
        (0, 1),
        (9, 0),
        (10, 0),
        (10, 1),
        (99_999, 0),
        (100_000, 0),
        (100_000, 1),
        (1_234_567, 0),
        (2**64 - 1, 0),
    ]
    values = list(zip(places, map(value_of, BATCHES), strict=True))
    store(client, prefix, dict(reversed(values)))
    assert_reads(arrowredis, prefix, tmp_path, LONG)


@pytest.mark.parametrize(
    ("partitions", "expected"),
    [("all", [0, 1, 2, 3]), ("2", [2]), ("0,3", [0, 3]), ("1-3", [1, 2, 3]), ("3,0-1", [0, 1, 3])],
)
def test_chosen_partitions(arrowredis, client, prefix, tmp_path, partitions, expected):
    store(client, prefix, {(p, 0): value_of(BATCHES[p]) for p in range(4)})
    table = pa.Table.from_batches([BATCHES[p] for p in expected])
    assert_reads(arrowredis, prefix, tmp_path, table, "--partitions", partitions)
    assert_reads(arrowredis, prefix, tmp_path, table, "--partitions", partitions, "--batches", 1)


def test_keys_of_others_are_left_alone(arrowredis, client, prefix, tmp_path):
    store(client, prefix, {(0, 0): value_of(BATCHES[0])})
    store(client, f"{prefix}:more", {(0, 1): b"another dataset"})
    store(client, f"x{prefix}", {(0, 1): b"another dataset"})
    for name in ("{part=1}:batch=00000", "{part=00000}:batch=1", "{part=00000}:batch=00001:more", "manifests"):
        client.set(f"{prefix}:{name}", "not a chunk")
    assert_reads(arrowredis, prefix, tmp_path, pa.Table.from_batches(BATCHES[:1]))


@pytest.mark.parametrize(
    "name", ["with space", "größe:日本", "a*b?[c]\\d^-"], ids=["space", "unicode", "glob"]
)
def test_prefixes_of_any_letters(arrowredis, client, prefix, tmp_path, name):
    store(client, f"{prefix}:{name}", {(0, 0): value_of(BATCHES[0])})
    store(client, f"{prefix}:aXbYcd^-", {(0, 1): b"another dataset"})
    assert_reads(arrowredis, f"{prefix}:{name}", tmp_path, pa.Table.from_batches(BATCHES[:1]))


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ([], (0, 1)),
        (["--partitions", "0"], (0, 1)),
        (["--partitions", "1", "--batches", 2], (1, 1)),
        (["--partitions", "1-3"], (2, 0)),
        (["--partitions", "5", "--batches", 1], (5, 0)),
    ],
    ids=["gap", "gap-in-chosen", "too-few", "no-such-partition", "no-such-partition-counted"],
)
def test_what_is_absent_is_named(arrowredis, client, prefix, tmp_path, options, absent):
    store(
        client,
        prefix,
        {(0, 0): value_of(BATCHES[0]), (0, 2): value_of(BATCHES[1]), (1, 0): value_of(BATCHES[2])},
    )
    out = tmp_path / "copy.arrow"
    message = arrowredis.refused("read", "--prefix", prefix, "--out", out, *options, exit=4)
    assert key(prefix, *absent) in message
    assert not out.exists()


def test_absent_chunks_can_be_left_out(arrowredis, client, prefix, tmp_path):
    store(client, prefix, {(0, 0): value_of(BATCHES[0]), (0, 2): value_of(BATCHES[1])})
    assert_reads(arrowredis, prefix, tmp_path, pa.Table.from_batches(BATCHES[:2]), "--allow-missing")


WHOLE = value_of(BATCHES[0])


@pytest.mark.parametrize(
    ("value", "word"),
    [
        pytest.param(b"", "Arrow", id="empty"),
        pytest.param(b"hello, world", "Arrow", id="text"),
        pytest.param(WHOLE[:-100], "cut off", id="cut-in-a-body"),
        pytest.param(WHOLE[:-8], "cut off", id="without-end-mark"),
        pytest.param(WHOLE + b"\0", "end mark", id="longer"),
        pytest.param(value_of(BATCHES[0].rename_columns(["n", "u"])), "schema", id="other-name"),
        pytest.param(value_of(BATCHES[0].select(["n"])), "schema", id="fewer-columns"),
        pytest.param(
            value_of(BATCHES[0].cast(pa.schema([("n", pa.int32()), ("t", pa.string())]))),
            "schema",
            id="other-type",
        ),
        pytest.param(value_of(BATCHES[0].replace_schema_metadata({"k": "v"})), "schema", id="other-metadata"),
        pytest.param(value_of(pa.RecordBatch.from_pylist([], SCHEMA)), "schema", id="other-schema"),
    ],
)
def test_a_value_that_does_not_belong_is_named(arrowredis, client, prefix, tmp_path, value, word):
    store(client, prefix, {(0, 0): WHOLE, (0, 1): value})
    out = tmp_path / "copy.arrow"
    message = arrowredis.refused("read", "--prefix", prefix, "--out", out, exit=4)
    assert key(prefix, 0, 1) in message and word in message, message
    assert not out.exists()


def test_a_key_that_holds_no_string_is_named(arrowredis, client, prefix):
    store(client, prefix, {(0, 0): WHOLE})
    client.rpush(key(prefix, 0, 1), "an element of a list")
    message = arrowredis.refused("read", "--prefix", prefix, exit=4)
    assert key(prefix, 0, 1) in message

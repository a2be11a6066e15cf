"""What `gen` writes and `split` stores of it, read by pyarrow alone: schema, values, every chunk."""

import re
from datetime import datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from arrow_files import assert_same, codecs, codecs_in, messages, read_chunks, read_file, read_stream
from chunks import key, stored

PARTITIONS, BATCHES, ROWS = 3, 2, 1_000
WORDS = 200
SIZE = ["--partitions", PARTITIONS, "--batches", BATCHES, "--rows", ROWS, "--string-cardinality", WORDS]
ALL_ROWS = PARTITIONS * BATCHES * ROWS

CODECS = pytest.mark.parametrize("codec", ["zstd", "lz4", "uncompressed"])
ENCODINGS = pytest.mark.parametrize("words", [[], ["--dict-strings"]], ids=["plain", "dictionary"])


def schema(words):
    text = pa.dictionary(pa.int32(), pa.string()) if words else pa.string()
    return pa.schema(
        [
            ("id64", pa.int64()),
            ("partition", pa.int32()),
            ("int32_c", pa.int32()),
            ("float64_c", pa.float64()),
            ("float32_c", pa.float32()),
            ("bool_c", pa.bool_()),
            ("ts_ns", pa.timestamp("ns")),
            ("dec_18_4", pa.decimal128(18, 4)),
            ("str_c", text),
            ("list_ints", pa.list_(pa.field("item", pa.int32()))),
        ]
    )


@pytest.fixture(scope="module")
def table(arrowredis, tmp_path_factory):
    """A generated table with plain words."""
    return read_file(arrowredis.gen(tmp_path_factory.mktemp("gen") / "plain.arrow", *SIZE))


@CODECS
@ENCODINGS
def test_the_file_has_the_ten_columns_and_the_codec(arrowredis, tmp_path, codec, words):
    file = arrowredis.gen(tmp_path / "gen.arrow", *SIZE, "--compression", codec, *words)
    found = read_file(file)
    found.validate(full=True)
    assert found.schema.equals(schema(words), check_metadata=True), found.schema
    assert [len(batch) for batch in found.to_batches()] == [ROWS] * PARTITIONS * BATCHES
    assert codecs_in(file.read_bytes()) == codecs(codec)


@CODECS
@ENCODINGS
@pytest.mark.parametrize("stored_as", ["keep", "zstd", "lz4", "uncompressed"])
def test_every_stored_value_is_a_stream_of_one_batch(
    arrowredis, client, prefix, tmp_path, codec, words, stored_as
):
    file = arrowredis.gen(tmp_path / "gen.arrow", *SIZE, "--compression", codec, *words)
    report = arrowredis.split(file, prefix, "--compression", stored_as)
    values = stored(client, prefix)

    assert list(values) == [key(prefix, p, b) for p in range(PARTITIONS) for b in range(BATCHES)]
    kinds = ["schema", "dictionary", "record batch"] if words else ["schema", "record batch"]
    for value in values.values():
        assert [message.kind for message in messages(value)] == kinds
        assert codecs_in(value) == codecs(codec if stored_as == "keep" else stored_as)
    source = read_file(file)
    assert_same(read_chunks(values.values()), source)
    assert (report["partitions"], report["chunks"], report["rows"]) == (
        PARTITIONS,
        PARTITIONS * BATCHES,
        ALL_ROWS,
    )
    assert report["bytes"] == sum(map(len, values.values()))


def test_ids_count_the_rows_and_partitions_the_chunks(table):
    assert table["id64"].to_pylist() == list(range(ALL_ROWS))
    assert table["partition"].to_pylist() == [row // (BATCHES * ROWS) for row in range(ALL_ROWS)]


def test_no_value_is_null(table):
    assert [column.null_count for column in table.columns] == [0] * 10
    assert pc.list_flatten(table["list_ints"]).null_count == 0


@pytest.mark.parametrize(
    ("column", "least", "most"),
    [
        ("int32_c", -1_000_000, 1_000_000),
        ("dec_18_4", Decimal(-1_000_000), Decimal(1_000_000)),
    ],
)
def test_numbers_fill_their_range(table, column, least, most):
    found = pc.min_max(table[column]).as_py()
    margin = (most - least) / 100
    assert least <= found["min"] < least + margin
    assert most - margin < found["max"] <= most


@pytest.mark.parametrize("column", ["float64_c", "float32_c"])
def test_floats_are_normally_distributed(table, column):
    values = table[column].cast(pa.float64())
    assert pc.all(pc.is_finite(values)).as_py()
    assert abs(pc.mean(values).as_py()) < 0.05
    assert abs(pc.stddev(values).as_py() - 1) < 0.05


def test_booleans_are_both_about_as_often(table):
    assert 0.45 < pc.mean(table["bool_c"].cast(pa.int8())).as_py() < 0.55


def test_times_lie_within_30_days(table):
    times = pc.min_max(table["ts_ns"].cast(pa.timestamp("us"), safe=False)).as_py()
    start, day = datetime(2024, 1, 1), timedelta(1)
    assert start <= times["min"] < start + day
    assert start + 29 * day < times["max"] < start + 30 * day
    # They are drawn to the nanosecond.
    assert len({time % 1000 for time in table["ts_ns"].cast(pa.int64()).to_pylist()}) > 900


def test_words_are_of_two_to_five_syllables(table):
    syllables = re.compile("([bcdfghjklmnpqrstvwxyz][aeiou]){2,5}")
    words = set(table["str_c"].to_pylist())
    assert len(words) == WORDS
    assert [word for word in words if not syllables.fullmatch(word)] == []
    assert {len(word) for word in words} == {4, 6, 8, 10}


def test_lists_hold_up_to_five_numbers_below_1000(table):
    assert set(pc.list_value_length(table["list_ints"]).to_pylist()) == {0, 1, 2, 3, 4, 5}
    items = pc.min_max(pc.list_flatten(table["list_ints"])).as_py()
    assert items == {"min": 0, "max": 999}


def test_a_dictionary_holds_the_same_words(arrowredis, tmp_path, table):
    found = read_file(arrowredis.gen(tmp_path / "dictionary.arrow", *SIZE, "--dict-strings"))
    for chunk in found["str_c"].chunks:
        assert len(set(chunk.dictionary.to_pylist())) == len(chunk.dictionary) == WORDS
    plain = found.set_column(8, "str_c", found["str_c"].cast(pa.string()))
    assert_same(plain, table)


@ENCODINGS
@CODECS
def test_the_same_seed_gives_the_same_bytes_for_any_number_of_workers(arrowredis, tmp_path, codec, words):
    def bytes_of(workers, seed=123):
        options = [*SIZE, "--compression", codec, *words, "--workers", workers, "--seed", seed]
        return arrowredis.gen(tmp_path / "gen.arrow", *options).read_bytes()

    one = bytes_of(workers=1)
    assert bytes_of(workers=3) == one
    assert bytes_of(workers=3, seed=124) != one


@ENCODINGS
def test_batches_without_rows_can_be_generated_and_stored(arrowredis, client, prefix, tmp_path, words):
    size = ["--partitions", 2, "--batches", 2, "--rows", 0]
    file = arrowredis.gen(tmp_path / "gen.arrow", *size, *words)
    assert read_file(file).schema.equals(schema(words), check_metadata=True)
    arrowredis.split(file, prefix)
    values = stored(client, prefix)
    # No row says which partition they are of.
    assert list(values) == [key(prefix, 0, batch) for batch in range(4)]
    assert [read_stream(value).num_rows for value in values.values()] == [0, 0, 0, 0]

"""The integer column "partition": whose rows go where, and what it may not hold."""

import pyarrow as pa
import pytest

from arrow_files import assert_same, each, read_file, read_stream, write, write_batches
from chunks import key, stored
from tables import DICTIONARY, NESTED, PRIMITIVE, SHAPES

INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
OTHERS = [
    pa.array(["5", "6", "7"]),
    pa.array([5.0, 6.0, 7.0]),
    pa.array([True, False, True]),
    pa.array(["5", "6", "7"]).dictionary_encode(),
    pa.array([5, 6, 7], pa.decimal128(5)),
]


def numbered(*partitions, type=pa.int32()):
    """A batch for each list of partition numbers; its rows are counted through all of them."""
    schema = pa.schema([("row", pa.int64()), ("partition", type), ("text", pa.string())])
    batches, row = [], 0
    for numbers in partitions:
        rows = range(row, row + len(numbers))
        batches.append(pa.record_batch([list(rows), numbers, list(map(str, rows))], schema=schema))
        row += len(numbers)
    return batches


def split_rows(arrowredis, client, prefix, folder, batches, *options):
    """Stores batches; returns the row numbers under each key."""
    arrowredis.split(write_batches(batches[0].schema, batches, folder / "source"), prefix, *options)
    return {name: read_stream(value)["row"].to_pylist() for name, value in stored(client, prefix).items()}


def expected_rows(prefix, rows):
    return {key(prefix, *place): numbers for place, numbers in rows.items()}


@pytest.mark.parametrize("codec", ["keep", "zstd"])
def test_the_rows_of_a_mixed_batch_are_divided(arrowredis, client, prefix, tmp_path, codec):
    batches = numbered([2, 0, 2, 7], [7, 7], [0, 2])
    found = split_rows(arrowredis, client, prefix, tmp_path, batches, "--compression", codec)
    expected = {(0, 0): [1], (0, 1): [6], (2, 0): [0, 2], (2, 1): [7], (7, 0): [3], (7, 1): [4, 5]}
    assert found == expected_rows(prefix, expected)

    in_order = pa.Table.from_batches(batches).take([1, 6, 0, 2, 7, 3, 4, 5])
    assert_same(read_file(arrowredis.read_to_file(prefix, tmp_path / "copy.arrow")), in_order)


def test_nothing_is_filed_under_its_batch_s_first_row(arrowredis, client, prefix, tmp_path):
    """One stray row at the end of each batch, as in a table that was sorted by something else."""
    split_rows(arrowredis, client, prefix, tmp_path, numbered([1] * 999 + [3], [1] * 999 + [4]))
    for name, value in stored(client, prefix).items():
        assert set(read_stream(value)["partition"].to_pylist()) == {int(name.split("part=")[1][:5])}
    table = read_stream(arrowredis.read_to_stdout(prefix, "--partitions", "3,4"))
    assert table["row"].to_pylist() == [999, 1999]


def test_the_column_goes_before_the_option(arrowredis, client, prefix, tmp_path):
    found = split_rows(arrowredis, client, prefix, tmp_path, numbered([3], [3], [3]), "--batches", 1)
    assert found == expected_rows(prefix, {(3, 0): [0], (3, 1): [1], (3, 2): [2]})


@pytest.mark.parametrize("type", INTEGERS, ids=str)
def test_every_integer_type(arrowredis, client, prefix, tmp_path, type):
    most = 2 ** (type.bit_width - (0 if "u" in str(type) else 1)) - 1
    found = split_rows(arrowredis, client, prefix, tmp_path, numbered([most, 0, most], [0], type=type))
    assert found == expected_rows(prefix, {(0, 0): [1], (0, 1): [3], (most, 0): [0, 2]})
    table = read_stream(arrowredis.read_to_stdout(prefix, "--partitions", most))
    assert table["partition"].to_pylist() == [most, most]


@pytest.mark.parametrize("codec", ["keep", "zstd"])
@pytest.mark.parametrize("container", ["file", "stream"])
@pytest.mark.parametrize(
    ("number", "type"),
    [(None, pa.int64()), (None, pa.uint8()), (-1, pa.int8()), (-(2**63), pa.int64())],
    ids=["null", "null-unsigned", "minus-one", "least"],
)
def test_null_and_negative_numbers_are_refused(arrowredis, prefix, tmp_path, number, type, container, codec):
    batches = numbered([0, 1], [], [2, number], type=type)
    source = write_batches(batches[0].schema, batches, tmp_path / "source", container)
    message = arrowredis.refused("split", "--inp", source, "--prefix", prefix, "--compression", codec, exit=2)
    assert "row 3 " in message and ("null" if number is None else str(number)) in message, message


@pytest.mark.parametrize("column", OTHERS, ids=lambda column: str(column.type).split("<v")[0])
def test_a_column_of_another_type_is_ignored(arrowredis, client, prefix, tmp_path, column):
    table = pa.table({"row": [0, 1, 2], "partition": column})
    found = split_rows(arrowredis, client, prefix, tmp_path, table.to_batches())
    assert found == expected_rows(prefix, {(0, 0): [0, 1, 2]})
    assert_same(read_file(arrowredis.read_to_file(prefix, tmp_path / "copy.arrow")), table)


def test_integers_behind_dictionary_keys_are_partition_numbers(arrowredis, client, prefix, tmp_path):
    table = pa.table({"row": [0, 1, 2], "partition": pa.array([5, 6, 5]).dictionary_encode()})
    found = split_rows(arrowredis, client, prefix, tmp_path, table.to_batches())
    assert found == expected_rows(prefix, {(5, 0): [0, 2], (6, 0): [1]})


def test_a_column_of_another_spelling_is_ignored(arrowredis, client, prefix, tmp_path):
    table = pa.table({"row": [0, 1], "Partition": [5, 6], "part": [7, 8], "in": [{"partition": 9}] * 2})
    found = split_rows(arrowredis, client, prefix, tmp_path, table.to_batches())
    assert found == expected_rows(prefix, {(0, 0): [0, 1]})


def test_batches_without_rows_stay_beside_their_neighbours(arrowredis, client, prefix, tmp_path):
    found = split_rows(arrowredis, client, prefix, tmp_path, numbered([], [4], [], [6, 5], []))
    assert found == expected_rows(
        prefix, {(4, 0): [], (4, 1): [0], (4, 2): [], (5, 0): [2], (5, 1): [], (6, 0): [1]}
    )


def divided(table):
    """The table with partitions 7, 3, 3, 7, 3, 3, ... in each batch."""
    field = pa.field("partition", pa.int16())
    batches = [
        pa.record_batch(
            [*batch.columns, pa.array([(7, 3, 3)[row % 3] for row in range(len(batch))], field.type)],
            schema=table.schema.append(field),
        )
        for batch in table.to_batches()
    ]
    return pa.Table.from_batches(batches)


def rows_of(table, partition):
    """The rows of one partition, cut out one by one: pyarrow cannot filter every type."""
    for batch in table.to_batches():
        numbers = batch["partition"].to_pylist()
        yield from (batch.slice(row, 1) for row, number in enumerate(numbers) if number == partition)


TABLES = {
    name: table for name, table in (PRIMITIVE | NESTED | DICTIONARY | SHAPES).items() if 1 < len(table) < 100
}


@each(TABLES)
def test_every_type_can_be_divided(arrowredis, client, prefix, tmp_path, table):
    table = divided(table)
    arrowredis.split(write(table, tmp_path / "source", compression="lz4"), prefix)
    for value in stored(client, prefix).values():
        assert len(set(read_stream(value)["partition"].to_pylist())) <= 1
    expected = [*rows_of(table, 3), *rows_of(table, 7)]
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), pa.Table.from_batches(expected, table.schema))

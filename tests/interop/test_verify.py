"""`verify` on files that pyarrow wrote: it sees every difference, and nothing where there is none.

Owns the proof that the suite's own comparison can fail, too.
"""

import pyarrow as pa
import pytest

from arrow_files import assert_same, each, write
from tables import DICTIONARY, LONG, NESTED, PRIMITIVE, SHAPES, in_batches

# Their rows are all alike.
UNIFORM = {"null", "of-null", "without-values", "nulls-everywhere", "fixed-size-list-of-0"}
TABLES = {
    name: table
    for name, table in (PRIMITIVE | NESTED | DICTIONARY | SHAPES).items()
    if len(table) > 1 and table.num_columns and name not in UNIFORM
}


@each(TABLES)
def test_a_difference_is_seen_in_every_type(arrowredis, tmp_path, table):
    one, two = table.slice(1), table.slice(0, len(table) - 1)
    with pytest.raises(AssertionError):
        assert_same(one, two)
    shown = arrowredis.verify(write(one, tmp_path / "one"), write(two, tmp_path / "two"), exit=5).stdout
    assert b"the first difference is in row" in shown


FAR = {
    "date32": (pa.int32(), pa.date32()),
    "date64": (pa.int64(), pa.date64()),
    "time32": (pa.int32(), pa.time32("s")),
    "time64": (pa.int64(), pa.time64("ns")),
    "timestamp": (pa.int64(), pa.timestamp("s")),
    "timestamp-offset": (pa.int64(), pa.timestamp("s", "+01:00")),
    "duration": (pa.int64(), pa.duration("s")),
}


@pytest.mark.parametrize("name", FAR)
def test_times_beyond_any_calendar_differ_like_others(arrowredis, tmp_path, name):
    """No calendar has them, but their bits differ, and all that `verify` does is compare bits."""
    bits, type = FAR[name]
    most = 2 ** (bits.bit_width - 1) - 1
    one, two = (pa.table({"v": pa.array([0, most - less], bits).view(type)}) for less in (0, 1))
    arrowredis.verify(write(one, tmp_path / "one"), write(one, tmp_path / "same"))
    arrowredis.verify(write(one, tmp_path / "one"), write(two, tmp_path / "two"), exit=5)


def test_row_and_column_are_named(arrowredis, tmp_path):
    changed = LONG.set_column(
        1, "t", pa.array(["changed" if n == 4321 else t for n, t in enumerate(LONG["t"].to_pylist())])
    )
    done = arrowredis.verify(
        write(LONG, tmp_path / "one"), write(in_batches(changed, 999), tmp_path / "two"), exit=5
    )
    assert b"row 4321 (counted from 0), column 't': 4321 in file 1, changed in file 2" in done.stdout


BASE = pa.schema(
    [pa.field("n", pa.int64(), metadata={"unit": "m"}), pa.field("t", pa.string())], metadata={"k": "v"}
)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(BASE.set(0, BASE.field(0).with_name("m")), id="name"),
        pytest.param(BASE.set(0, BASE.field(0).with_type(pa.int32())), id="type"),
        pytest.param(BASE.set(0, BASE.field(0).with_nullable(False)), id="nullability"),
        pytest.param(BASE.set(0, BASE.field(0).with_metadata({"unit": "km"})), id="field-metadata"),
        pytest.param(BASE.with_metadata({"k": "w"}), id="schema-metadata"),
        pytest.param(BASE.with_metadata(None), id="no-metadata"),
    ],
)
def test_a_difference_is_seen_in_the_schema(arrowredis, tmp_path, schema):
    one, two = (pa.table([[1, 2], ["a", "b"]], schema=side) for side in (BASE, schema))
    with pytest.raises(AssertionError):
        assert_same(one, two)
    done = arrowredis.verify(write(one, tmp_path / "one"), write(two, tmp_path / "two"), exit=5)
    assert b"Different schemas" in done.stdout


@pytest.mark.parametrize("rows", [0, 1, 9_999])
def test_missing_rows_are_counted(arrowredis, tmp_path, rows):
    whole, cut = write(LONG, tmp_path / "one"), write(LONG.slice(0, rows), tmp_path / "two")
    assert b"10,000" in arrowredis.verify(whole, cut, exit=5).stdout
    assert b"10,000" in arrowredis.verify(cut, whole, exit=5).stdout


def test_batches_codecs_containers_and_dictionaries_do_not_count(arrowredis, tmp_path):
    encoded = LONG.set_column(1, "t", LONG["t"].dictionary_encode())
    files = [
        write(LONG, tmp_path / "0"),
        write(in_batches(LONG, 777), tmp_path / "1", compression="zstd"),
        write(in_batches(encoded, 1234), tmp_path / "2", "stream", compression="lz4"),
        write(
            pa.concat_tables([LONG.slice(0, 0), encoded.cast(LONG.schema), LONG.slice(0, 0)]),
            tmp_path / "3",
            "stream",
        ),
    ]
    for file in files:
        arrowredis.verify(files[0], file)
        arrowredis.verify(file, files[2])

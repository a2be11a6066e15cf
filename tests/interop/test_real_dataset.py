"""A real table that nobody here made: 28,000 airports, from the PyPI package airportsdata (MIT licence)."""

from importlib.resources import files

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest

from arrow_files import assert_same, read_chunks, read_file, read_stream, write
from chunks import stored

CSV = files("airportsdata") / "airports.csv"


def read(**convert):
    """The table as pyarrow reads it from blocks of the CSV, which become its batches."""
    return pa.csv.read_csv(
        str(CSV),
        read_options=pa.csv.ReadOptions(block_size=200_000),
        convert_options=pa.csv.ConvertOptions(**convert),
    )


@pytest.fixture(scope="module")
def airports():
    return read()


def assert_unchanged(arrowredis, prefix, folder, source, table):
    copy = arrowredis.read_to_file(prefix, folder / "copy.arrow")
    assert_same(read_file(copy), table)
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), table)
    arrowredis.verify(source, copy)


def test_the_table_is_the_one_we_mean(airports):
    assert airports.num_rows > 28_000 and len(airports.to_batches()) > 10
    assert {"icao", "name", "country", "elevation", "lat", "lon", "tz"} <= set(airports.column_names)
    assert airports.filter(pc.equal(airports["iata"], "ZRH"))["city"].to_pylist() == ["Zurich"]


@pytest.mark.parametrize("codec", ["keep", "zstd", "lz4", "uncompressed"])
@pytest.mark.parametrize("container", ["file", "stream"])
def test_as_it_is(arrowredis, client, prefix, tmp_path, airports, container, codec):
    source = write(airports, tmp_path / "source", container, compression="zstd")
    report = arrowredis.split(source, prefix, "--batches", 4, "--compression", codec)
    batches = airports.to_batches()
    assert (report["chunks"], report["partitions"]) == (len(batches), -(-len(batches) // 4))
    assert_same(read_chunks(stored(client, prefix).values()), airports)
    assert_unchanged(arrowredis, prefix, tmp_path, source, airports)


@pytest.mark.parametrize("codec", ["keep", "lz4"])
def test_with_a_dictionary_for_each_batch(arrowredis, prefix, tmp_path, codec):
    """pyarrow makes one for each block of the CSV; in the stream each replaces the one before."""
    table = read(auto_dict_encode=True, auto_dict_max_cardinality=100_000)
    dictionaries = {tuple(chunk.dictionary.to_pylist()) for chunk in table["city"].chunks}
    assert len(dictionaries) == len(table["city"].chunks)
    source = write(table, tmp_path / "source", "stream")
    arrowredis.split(source, prefix, "--compression", codec)
    assert_unchanged(arrowredis, prefix, tmp_path, source, table)


def test_by_partition(arrowredis, client, prefix, tmp_path, airports):
    """The whole degrees of northern and southern latitude as partitions: every batch holds many."""
    numbers = pc.cast(pc.floor(pc.add(airports["lat"], 90)), pa.int32())
    table = airports.append_column("partition", numbers)
    arrowredis.split(write(table, tmp_path / "source"), prefix)
    present = sorted(set(numbers.to_pylist()))
    assert len(present) > 100
    found = read_file(arrowredis.read_to_file(prefix, tmp_path / "copy.arrow"))
    expected = [table.filter(pc.equal(table["partition"], number)) for number in present]
    assert_same(found, pa.concat_tables(expected))
    some = read_stream(arrowredis.read_to_stdout(prefix, "--partitions", f"{present[0]},137"))
    assert_same(some, pa.concat_tables([expected[0], expected[present.index(137)]]))

"""What pyarrow can write and we cannot take: one line that says so and exit code 2, never a crash.

No type as such is refused: what is, is an encoding of it or a value that breaks its own schema.
"""

import pyarrow as pa
import pyarrow.parquet
import pytest

from arrow_files import V4, value_of, write
from chunks import keys, stored
from tables import NESTED

CONTAINERS = pytest.mark.parametrize("container", ["file", "stream"])
CODECS = pytest.mark.parametrize("codec", ["keep", "zstd"])

TABLE = pa.table({"n": [1, 2, 3], "t": ["a", "b", "c"]})
WHOLE = value_of(*TABLE.to_batches())


def refused(arrowredis, prefix, source, codec="keep"):
    options = ["--prefix", prefix, "--compression", codec]
    message = arrowredis.refused("split", "--inp", source, *options, exit=2)
    assert str(source) in message
    return message


RUN_ENDS = ["run-ends-int16", "run-ends-int32", "run-ends-int64", "struct-of-union"]


@CODECS
@CONTAINERS
@pytest.mark.parametrize("name", RUN_ENDS)
def test_run_ends_in_metadata_version_4(arrowredis, client, prefix, tmp_path, name, container, codec):
    """pyarrow gives them a validity buffer there; the Rust library reads none."""
    source = write(NESTED[name], tmp_path / "source", container, metadata_version=V4)
    refused(arrowredis, prefix, source, codec)
    assert keys(client, prefix) == []


def test_run_ends_in_metadata_version_4_are_called_by_name(arrowredis, prefix, tmp_path):
    """The file is whole: a message that speaks of a short buffer sends its owner looking for damage."""
    source = write(NESTED["run-ends-int32"], tmp_path / "source", metadata_version=V4)
    message = refused(arrowredis, prefix, source)
    assert "run" in message.lower().replace(str(tmp_path), "") and "V4" in message, message


@CODECS
@CONTAINERS
@pytest.mark.parametrize("metadata", [{b"k": b"\xff"}, {b"\xff": b"v"}], ids=["value", "key"])
def test_metadata_that_is_not_utf8(arrowredis, client, prefix, tmp_path, metadata, container, codec):
    """The format asks for UTF-8; pyarrow does not check."""
    source = write(TABLE.replace_schema_metadata(metadata), tmp_path / "source", container)
    assert "utf" in refused(arrowredis, prefix, source, codec).lower()
    assert keys(client, prefix) == []


INVALID = {
    "text-that-is-not-utf8": pa.table({"v": pa.array([b"\xff", b"a"]).view(pa.string())}),
    "null-in-a-non-nullable-column": pa.table(
        [pa.array([1, None])], schema=pa.schema([pa.field("v", pa.int8(), False)])
    ),
    "null-in-a-non-nullable-item": pa.table(
        {"v": pa.array([[1, None]], pa.list_(pa.field("item", pa.int32(), nullable=False)))}
    ),
}


@CONTAINERS
@pytest.mark.parametrize("name", INVALID)
def test_values_that_break_their_schema_are_found_when_decoded(
    arrowredis, client, prefix, tmp_path, name, container
):
    source = write(INVALID[name], tmp_path / "source", container)
    refused(arrowredis, prefix, source, "zstd")
    assert keys(client, prefix) == []


@pytest.mark.parametrize("name", sorted(INVALID.keys() - {"null-in-a-non-nullable-column"}))
def test_values_that_break_their_schema_are_named_when_read(arrowredis, client, prefix, tmp_path, name):
    """`split` forwards what it need not decode; `read` decodes everything."""
    arrowredis.split(write(INVALID[name], tmp_path / "source"), prefix)
    message = arrowredis.refused("read", "--prefix", prefix, exit=4)
    (only,) = stored(client, prefix)
    assert only in message


@CONTAINERS
def test_a_null_in_a_column_that_forbids_them_is_found_without_decoding(
    arrowredis, client, prefix, tmp_path, container
):
    source = write(INVALID["null-in-a-non-nullable-column"], tmp_path / "source", container)
    assert "null" in refused(arrowredis, prefix, source, "keep")
    assert keys(client, prefix) == []


FILES = {
    "parquet": lambda path: pa.parquet.write_table(TABLE, path),
    "csv": lambda path: path.write_text("n,t\n1,a\n"),
    "empty": lambda path: path.write_bytes(b""),
    "folder": lambda path: path.mkdir(),
    "nothing": lambda path: None,
    "end-mark-only": lambda path: path.write_bytes(WHOLE[-8:]),
    "schema-message-only": lambda path: path.write_bytes(TABLE.schema.serialize().to_pybytes()),
    "without-end-mark": lambda path: path.write_bytes(WHOLE[:-8]),
    "two-streams": lambda path: path.write_bytes(WHOLE + WHOLE),
    "cut-stream": lambda path: path.write_bytes(WHOLE[:-100]),
    "cut-file": lambda path: path.write_bytes(write(TABLE, path).read_bytes()[:-1]),
    "compressed-stream": lambda path: path.write_bytes(pa.compress(WHOLE, "gzip", asbytes=True)),
}


@CODECS
@pytest.mark.parametrize("kind", FILES)
def test_files_of_other_formats_and_halves(arrowredis, prefix, tmp_path, kind, codec):
    FILES[kind](tmp_path / "source")
    refused(arrowredis, prefix, tmp_path / "source", codec)


@pytest.mark.parametrize("kind", FILES)
def test_verify_refuses_the_same(arrowredis, tmp_path, kind):
    FILES[kind](tmp_path / "source")
    good = write(TABLE, tmp_path / "good")
    for pair in ((good, tmp_path / "source"), (tmp_path / "source", good)):
        message = arrowredis.refused("verify", "--file1", pair[0], "--file2", pair[1], exit=2)
        assert str(tmp_path / "source") in message

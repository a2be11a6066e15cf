"""The manifest that `split` writes, read by an implementation of FORMAT.md that shares no code with it."""

import base64
import re

import pyarrow as pa
import pytest

import manifests
from arrow_files import assert_same, each, messages, read_stream, value_of, write, write_batches
from chunks import key, manifest_key, stored
from tables import DICTIONARY, LONG, NESTED, SHAPES, in_batches

CODECS = pytest.mark.parametrize("codec", ["keep", "zstd"])
BATCHES = in_batches(LONG, 2_000).to_batches()


def assert_lists(client, prefix, schema):
    """The manifest says of every chunk, and of nothing else, what can be found out about its value."""
    manifest = manifests.published(client, prefix)
    rows = {key(prefix, row["partition"], row["batch"]): row for row in manifest.chunks}
    values = stored(client, prefix)
    assert list(rows) == list(values)
    for name, value in values.items():
        row = rows[name]
        assert row == manifests.row((row["partition"], row["batch"]), value)
    assert manifest.schema.equals(schema, check_metadata=True), manifest.schema
    return manifest


@CODECS
@each(NESTED | DICTIONARY | SHAPES)
def test_every_field_is_right(arrowredis, client, prefix, tmp_path, table, codec):
    before = server_ms(client)
    report = arrowredis.split(write(table, tmp_path / "source"), prefix, "--compression", codec)
    manifest = assert_lists(client, prefix, table.schema)
    assert before <= manifest.created_ms <= server_ms(client)
    assert re.fullmatch("[0-9a-f]{32}", manifest.dataset_id)
    assert manifest.dataset_id == report["dataset_id"]
    assert manifest.writer == arrowredis.run("--version").stdout.decode().strip()
    assert manifest.ttl_ms is None
    assert manifest.codec == ("uncompressed" if codec == "keep" else "zstd")


def server_ms(client):
    seconds, micros = client.time()
    return seconds * 1_000 + micros // 1_000


def test_partitions_ascend_by_number(arrowredis, client, prefix, tmp_path):
    """Not by the text of their keys, nor by when they came."""
    numbers = [100_000, 2**63 - 1, 7, 99_999, 100_000, 0]
    batches = [pa.record_batch({"partition": [number] * 2}) for number in numbers]
    arrowredis.split(write_batches(batches[0].schema, batches, tmp_path / "source"), prefix)
    found = [(row["partition"], row["batch"], row["rows"]) for row in manifests.published(client, prefix).chunks]
    assert found == [(0, 0, 2), (7, 0, 2), (99_999, 0, 2), (100_000, 0, 2), (100_000, 1, 2), (2**63 - 1, 0, 2)]


def test_a_manifest_of_many_chunks(arrowredis, client, prefix, tmp_path):
    table = in_batches(LONG, 3)
    arrowredis.split(write(table, tmp_path / "source"), prefix, "--batches", 100)
    manifest = assert_lists(client, prefix, LONG.schema)
    assert [row["rows"] for row in manifest.chunks] == [len(batch) for batch in table.to_batches()]
    assert manifest.chunks[-1]["partition"] == len(manifest.chunks) // 100


@pytest.mark.parametrize(
    ("codec", "expected"), [("keep", "lz4"), ("zstd", "zstd"), ("lz4", "lz4"), ("uncompressed", "uncompressed")]
)
def test_the_codec_is_that_of_the_chunks(arrowredis, client, prefix, tmp_path, codec, expected):
    source = write(in_batches(LONG, 2_000), tmp_path / "source", compression="lz4")
    arrowredis.split(source, prefix, "--compression", codec)
    manifest = assert_lists(client, prefix, LONG.schema)
    assert manifest.codec == manifests.codec(stored(client, prefix).values()) == expected


def test_the_codec_of_a_file_that_mixes_them(arrowredis, client, prefix, tmp_path):
    """Two streams' messages in one, as a program that appends to a stream leaves them."""
    mark = value_of(schema=LONG.schema)[-8:]
    one, two = (value_of(batch, compression=codec) for batch, codec in zip(BATCHES, ["lz4", "zstd"]))
    second = two[len(value_of(schema=LONG.schema)) - len(mark) :]
    (tmp_path / "source").write_bytes(one[: -len(mark)] + second)
    arrowredis.split(tmp_path / "source", prefix)
    assert assert_lists(client, prefix, LONG.schema).codec == "mixed"
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), pa.Table.from_batches(BATCHES[:2]))


def test_the_time_to_live_is_in_milliseconds(arrowredis, client, prefix, tmp_path):
    arrowredis.split(write(LONG, tmp_path / "source"), prefix, "--ttl", "90s")
    assert assert_lists(client, prefix, LONG.schema).ttl_ms == 90_000


def test_each_writing_has_an_id_of_its_own(arrowredis, client, prefix, tmp_path):
    source = write(LONG, tmp_path / "source")
    ids = set()
    for _ in range(5):
        arrowredis.split(source, prefix, "--replace")
        ids.add(manifests.published(client, prefix).dataset_id)
    assert len(ids) == 5


def test_it_is_a_stream_as_others_are(arrowredis, client, prefix, tmp_path):
    """One batch, the end mark, then the checksum; the schema inside is a stream that ends, too."""
    arrowredis.split(write(in_batches(LONG, 2_000), tmp_path / "source"), prefix)
    stream = manifests.unsealed(client.get(manifest_key(prefix)))
    assert [message.kind for message in messages(stream)] == ["schema", "record batch"]
    inner = base64.b64decode(read_stream(stream).schema.metadata[b"arrowredis.schema"], validate=True)
    assert [message.kind for message in messages(inner)] == ["schema"]


def test_the_alias_is_a_stream_without_rows(arrowredis, client, prefix, tmp_path):
    arrowredis.split(write(LONG, tmp_path / "source"), f"{prefix}:größe")
    arrowredis.run("alias", prefix, f"{prefix}:größe")
    table = read_stream(manifests.unsealed(client.get(manifest_key(prefix))))
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == manifests.COLUMNS
    assert table.num_rows == 0
    pairs = {name.decode(): text.decode() for name, text in table.schema.metadata.items()}
    assert pairs == {"arrowredis.format": "1", "arrowredis.alias": f"{prefix}:größe"}

"""Arrow files, streams and values as pyarrow writes and reads them, and what counts as the same table."""

import struct
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.ipc as ipc
import pytest

WRITERS = {"file": ipc.new_file, "stream": ipc.new_stream}
# How a compressed buffer begins: the frames of LZ4 and of zstd.
MAGIC = {"lz4": bytes.fromhex("04224d18"), "zstd": bytes.fromhex("28b52ffd")}

V4 = ipc.MetadataVersion.V4
V5 = ipc.MetadataVersion.V5


def each(tables):
    """Runs a test once for each table of a mapping."""
    return pytest.mark.parametrize("table", [pytest.param(table, id=name) for name, table in tables.items()])


def write(table, path, container="file", **options):
    """Writes the batches of a table to a file or a stream."""
    return write_batches(table.schema, table.to_batches(), path, container, **options)


def write_batches(schema, batches, path, container="file", **options):
    """Writes batches one by one; a table would not hand out all that have no rows."""
    with WRITERS[container](str(path), schema, options=ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return path


def value_of(*batches, schema=None, **options):
    """What to store under a key: a stream of the given batches."""
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, schema or batches[0].schema, options=ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def read_file(path):
    """The table in a file, which must have the file format."""
    with pa.memory_map(str(path)) as mapped, ipc.open_file(mapped) as reader:
        return reader.read_all()


def read_stream(data):
    """The table in a stream, be it a file's bytes, a value or what the command printed."""
    with ipc.open_stream(data) as reader:
        return reader.read_all()


def read_chunks(values):
    """The table in several values, which must all have the same schema with the same metadata."""
    chunks = [read_stream(value) for value in values]
    schema = chunks[0].schema
    assert all(chunk.schema.equals(schema, check_metadata=True) for chunk in chunks)
    return pa.Table.from_batches([batch for chunk in chunks for batch in chunk.to_batches()], schema)


@dataclass(frozen=True)
class Message:
    kind: str
    version: ipc.MetadataVersion
    body_at: int
    body: bytes


def messages(stream):
    """The messages of a stream, which must consist of them, the end mark and nothing else."""
    found, at = [], 0
    while True:
        mark, length = struct.unpack_from("<Ii", stream, at)
        assert mark == 0xFFFFFFFF, f"no continuation marker at byte {at}"
        if length == 0:
            assert at + 8 == len(stream), f"{len(stream) - at - 8} bytes after the end mark"
            return found
        message = ipc.read_message(stream[at:])
        body = message.body.to_pybytes() if message.body else b""
        found.append(Message(message.type, message.metadata_version, at + 8 + length, body))
        at += 8 + length + len(body)


def codecs_in(data):
    """The codecs whose frames occur in a file or stream that is long enough to be worth compressing."""
    return {codec for codec, magic in MAGIC.items() if magic in data}


def codecs(name):
    """What `codecs_in` finds where all is compressed by one codec, or nothing is."""
    return {name} & MAGIC.keys()


def assert_same(found, expected):
    """The same schema with all its metadata, and the same values in the same order."""
    found.validate(full=True)
    assert found.schema.equals(expected.schema, check_metadata=True), (
        f"found {found.schema.to_string()}\nexpected {expected.schema.to_string()}"
    )
    assert found.num_rows == expected.num_rows
    for name, one, two in zip(expected.schema.names, found.columns, expected.columns, strict=True):
        if holds_dictionary(two.type):
            # Equal values may stand at other places of another dictionary.
            assert one.to_pylist() == two.to_pylist(), name
        else:
            assert one.equals(two), f"{name}: found {one}\nexpected {two}"


def holds_dictionary(type):
    if pa.types.is_dictionary(type):
        return True
    return any(holds_dictionary(child) for child in children(type))


def children(type):
    if pa.types.is_map(type):
        return [type.key_type, type.item_type]
    if pa.types.is_run_end_encoded(type):
        return [type.value_type]
    return [type.field(i).type for i in range(type.num_fields)]

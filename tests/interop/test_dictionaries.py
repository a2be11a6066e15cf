"""Files and streams whose dictionaries change on the way, as pyarrow writes them: deltas, replacements.

Owns `split` of such sources: every stored value has the dictionary that was in force at its batch.
"""

import pyarrow as pa
import pytest

from arrow_files import assert_same, each, messages, read_file, read_stream, value_of, write
from chunks import store, stored
from tables import dictionary_arrays, keyed

N = None
CODECS = pytest.mark.parametrize("codec", ["keep", "zstd"])

WORDS = ["a", "b", "a longer text than twelve bytes", "", "e"]


def flat(words, *keys):
    return keyed(keys, pa.array(words))


def table(*arrays):
    return pa.Table.from_batches([pa.record_batch({"v": array}) for array in arrays])


def in_list(array):
    return pa.ListArray.from_arrays(pa.array([0, 1, len(array)], pa.int32()), array)


def in_struct(array):
    return pa.StructArray.from_arrays([array, array], ["x", "y"])


GROWING = [flat(WORDS[:2], 0, 1, N), flat(WORDS[:2], 1, 1), flat(WORDS[:4], 3, 0, 2), flat(WORDS, 4, N, 4)]
LISTS = pa.array([[1], [], [2, N]], pa.list_(pa.int8()))
STRUCTS = in_struct(flat(WORDS, 0, 1, 2, 3))

# Every batch's dictionary begins with the one before.
GROW = {
    "flat": table(*GROWING),
    "in-list": table(*map(in_list, GROWING)),
    "in-struct": table(*map(in_struct, GROWING)),
    "of-views": table(
        *(keyed(keys, pa.array(WORDS[:n], pa.string_view())) for n, keys in ((2, [0, 1]), (5, [4, 2])))
    ),
    "of-lists": table(keyed([0, 1], LISTS[:2]), keyed([2, 0], LISTS)),
    "of-booleans": table(keyed([0], pa.array([True])), keyed([2, 1], pa.array([True, False, N]))),
    "of-structs": table(keyed([0], STRUCTS.field(1).dictionary[:1]), keyed([1], STRUCTS.field(1).dictionary)),
}

# The dictionaries hold dictionaries, of which the inner or the outer one grows.
GROW_NESTED = {
    "outer-grows": table(keyed([0, 1], STRUCTS[:2]), keyed([3, N, 0], STRUCTS)),
    "inner-grows": table(
        keyed([0, 1], in_struct(flat(WORDS[:2], 0, 1))), keyed([2, 0], in_struct(flat(WORDS[:3], 0, 1, 2)))
    ),
}

# No batch's dictionary has anything to do with the one before.
ARRAYS = [dictionary_arrays(*words) for words in ("abc", "dea", "fgb")]
REPLACE = {name: table(*(arrays[name] for arrays in ARRAYS)) for name in ARRAYS[0]} | {
    "then-grow": table(flat("x", 0), flat("yz", 1, 0), flat("yzw", 2, 1), flat("x", 0)),
}


def dictionary_messages(stream):
    return [message.kind for message in messages(stream)].count("dictionary")


def assert_survives(arrowredis, client, prefix, folder, source, table, codec):
    arrowredis.split(source, prefix, "--compression", codec)
    values = list(stored(client, prefix).values())
    for value, batch in zip(values, table.to_batches(), strict=True):
        assert_same(read_stream(value), pa.Table.from_batches([batch]))
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), table)
    copy = arrowredis.read_to_file(prefix, folder / "copy.arrow")
    arrowredis.verify(source, copy)
    assert_same(read_file(copy), table)


@CODECS
@pytest.mark.parametrize(
    ("container", "compression"),
    [("file", None), ("file", "lz4"), ("stream", None), ("stream", "zstd")],
    ids=["file", "file-lz4", "stream", "stream-zstd"],
)
@each(GROW)
def test_deltas(arrowredis, client, prefix, tmp_path, table, container, compression, codec):
    options = {"emit_dictionary_deltas": True, "compression": compression}
    source = write(table, tmp_path / "source", container, **options)
    if container == "stream":
        first = value_of(table.to_batches()[0])
        assert dictionary_messages(source.read_bytes()) > dictionary_messages(first)
    assert_survives(arrowredis, client, prefix, tmp_path, source, table, codec)


@each(GROW | GROW_NESTED)
def test_deltas_inside_a_value(arrowredis, client, prefix, tmp_path, table):
    store(client, prefix, {(0, 0): value_of(*table.to_batches(), emit_dictionary_deltas=True)})
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), table)
    assert_same(read_file(arrowredis.read_to_file(prefix, tmp_path / "copy.arrow")), table)


@CODECS
@each(GROW_NESTED)
def test_deltas_of_nested_dictionaries(arrowredis, client, prefix, tmp_path, table, codec):
    source = write(table, tmp_path / "source", "stream", emit_dictionary_deltas=True)
    assert_survives(arrowredis, client, prefix, tmp_path, source, table, codec)


@CODECS
@each(REPLACE)
def test_replacements(arrowredis, client, prefix, tmp_path, table, codec):
    source = write(table, tmp_path / "source", "stream")
    assert_survives(arrowredis, client, prefix, tmp_path, source, table, codec)


@CODECS
def test_replacements_among_deltas(arrowredis, client, prefix, tmp_path, codec):
    source = write(REPLACE["then-grow"], tmp_path / "source", "stream", emit_dictionary_deltas=True)
    assert_survives(arrowredis, client, prefix, tmp_path, source, REPLACE["then-grow"], codec)


@CODECS
def test_dictionaries_that_the_writer_unified(arrowredis, client, prefix, tmp_path, codec):
    table, source = REPLACE["int8-keys"], tmp_path / "source"
    with pa.ipc.new_file(
        str(source), table.schema, options=pa.ipc.IpcWriteOptions(unify_dictionaries=True)
    ) as writer:
        writer.write_table(table)
    assert_survives(arrowredis, client, prefix, tmp_path, source, table, codec)


def test_a_file_of_the_command_holds_each_word_once(arrowredis, prefix, tmp_path):
    """Unified, not merely appended to."""
    arrowredis.split(write(REPLACE["int8-keys"], tmp_path / "source", "stream"), prefix)
    copy = read_file(arrowredis.read_to_file(prefix, tmp_path / "copy.arrow"))
    assert copy["v"].chunks[-1].dictionary.to_pylist() == ["a", "b", "c", "d", "e", "f", "g"]

"""Manifests and aliases that Python wrote by FORMAT.md alone, read by the command: accepted or refused."""

import pyarrow as pa
import pytest

import manifests
from arrow_files import V4, assert_same, each, read_file, read_stream, value_of, write
from chunks import key, keys, manifest_key, store
from tables import DICTIONARY, LONG, NESTED, SHAPES, in_batches

BATCHES = in_batches(LONG, 2_500).to_batches()
PLACES = [(0, 0), (0, 1), (3, 0), (100_000, 0)]
VALUES = dict(zip(PLACES, map(value_of, BATCHES), strict=True))


def in_partitions(table):
    """A value for each batch of a table, three to a partition."""
    return {(n // 3, n % 3): value_of(batch) for n, batch in enumerate(table.to_batches())}


@each(NESTED | DICTIONARY | {name: SHAPES[name] for name in ("metadata", "all-types", "names")})
def test_a_dataset_of_any_schema(arrowredis, client, prefix, tmp_path, table):
    manifests.publish(client, prefix, in_partitions(table))
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), table)
    assert_same(read_file(arrowredis.read_to_file(prefix, tmp_path / "copy.arrow")), table)
    assert arrowredis.report("verify", prefix)["whole"]
    assert arrowredis.report("verify", prefix, write(table, tmp_path / "source"), "--batches", 3)["equal"]


def assert_accepted(arrowredis, client, prefix, manifest):
    """All that the manifest says comes out of every command that reads one."""
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG)
    report = arrowredis.report("verify", prefix)
    assert report["whole"] and (report["rows"], report["chunks"]) == (len(LONG), len(PLACES))
    sizes = [len(value) for value in VALUES.values()]
    (entry,) = arrowredis.report("ls", prefix)["entries"]
    info = arrowredis.report("info", prefix)
    for found in (entry, info):
        assert (found["rows"], found["chunks"], found["bytes"]) == (len(LONG), len(PLACES), sum(sizes))
        assert (found["codec"], found["dataset_id"]) == (manifest.codec, manifest.dataset_id)
        assert (found["created_ms"], found["time_to_live_seconds"]) == (manifest.created_ms, None)
    assert (info["state"], info["writer"]) == ("whole", manifest.writer)
    assert info["partitions"] == [
        {"partition": 0, "chunks": 2, "rows": 5_000, "bytes": sizes[0] + sizes[1]},
        {"partition": 3, "chunks": 1, "rows": 2_500, "bytes": sizes[2]},
        {"partition": 100_000, "chunks": 1, "rows": 2_500, "bytes": sizes[3]},
    ]


def unchanged(table):
    return table


def with_more_columns(table):
    more = {
        "text": pa.array([None, "a", "größe", ""]),
        "word": pa.array(["a", "b", None, "a"]).dictionary_encode(),
        "range": pa.array([{"min": [1, None], "max": None}] * 4),
        "null": pa.nulls(4),
    }
    for name, column in more.items():
        table = table.append_column(name, column)
    return table.select(table.column_names[::-1])


def with_more_metadata(table):
    more = {"arrowredis.later": "日本", "arrowredis.formats": "2", "pandas": "{}", "": "empty key"}
    return table.replace_schema_metadata(table.schema.metadata | more)


def with_columns_that_may_be_null(table):
    return pa.Table.from_arrays(table.columns, schema=may_be_null(table))


def may_be_null(table):
    return pa.schema(manifests.COLUMNS.items(), table.schema.metadata)


@pytest.mark.parametrize(
    "written",
    [{}, {"compression": "zstd"}, {"compression": "lz4"}, {"metadata_version": V4}, {"use_legacy_format": True}],
    ids=["plain", "zstd", "lz4", "v4", "legacy"],
)
@pytest.mark.parametrize(
    "change", [unchanged, with_more_columns, with_more_metadata, with_columns_that_may_be_null]
)
def test_what_later_versions_may_add_is_left_alone(arrowredis, client, prefix, change, written):
    store(client, prefix, VALUES)
    manifest = manifests.of(VALUES)
    client.set(manifest_key(prefix), manifests.encoded(change(manifests.table(manifest)), **written))
    assert_accepted(arrowredis, client, prefix, manifest)


@pytest.mark.parametrize("number", ["2", "10", "99999999999999999999", "1.1", "two"])
@pytest.mark.parametrize("kind", ["manifest", "alias"])
def test_a_newer_format_is_refused_and_says_so(arrowredis, client, prefix, tmp_path, kind, number):
    """It is not damage: whoever follows advice to mend it destroys a dataset of a newer program."""
    manifests.publish(client, f"{prefix}:target", VALUES)
    store(client, prefix, VALUES)
    table = manifests.table(manifests.of(VALUES)) if kind == "manifest" else manifests.alias_table(f"{prefix}:target")
    newer = table.replace_schema_metadata(table.schema.metadata | {b"arrowredis.format": number})
    value = manifests.encoded(newer)
    client.set(manifest_key(prefix), value)
    for command in (["read", "--prefix", prefix], ["info", prefix], ["verify", prefix], ["touch", prefix, "--ttl", "1h"]):
        message = arrowredis.refused(*command, exit=4)
        assert manifest_key(prefix) in message and "newer" in message, message
        assert f"version 1, found {number}" in message, message
        assert "damage" not in message and "adopt" not in message, message
    for option in ([], ["--replace"], ["--drop-first"]):
        arrowredis.refused("split", "--inp", write(LONG, tmp_path / "source"), "--prefix", prefix, *option, exit=4)
    assert client.get(manifest_key(prefix)) == value


def test_adopt_does_not_overwrite_a_manifest_of_a_newer_format(arrowredis, client, prefix):
    store(client, prefix, VALUES)
    table = manifests.table(manifests.of(VALUES))
    value = manifests.encoded(table.replace_schema_metadata(table.schema.metadata | {b"arrowredis.format": "2"}))
    client.set(manifest_key(prefix), value)
    arrowredis.run("adopt", prefix, exit=4)
    assert client.get(manifest_key(prefix)) == value


def changed_metadata(name, text):
    def change(table):
        pairs = {key: value for key, value in table.schema.metadata.items() if key != f"arrowredis.{name}".encode()}
        return table.replace_schema_metadata(pairs | ({f"arrowredis.{name}": text} if text is not None else {}))

    return change


def with_null(table):
    columns = [pa.array([0, 0, None, 100_000], pa.uint64()), *table.columns[1:]]
    return pa.Table.from_arrays(columns, schema=may_be_null(table))


def of_type(name, type):
    return lambda table: table.set_column(table.column_names.index(name), name, table[name].cast(type))


BROKEN = {
    "descending": lambda table: table.take([1, 0, 2, 3]),
    "descending-partitions": lambda table: table.take([2, 0, 1, 3]),
    "repeated": lambda table: table.take([0, 1, 1, 2]),
    "null": with_null,
    "signed": of_type("batch", pa.int32()),
    "wide": of_type("batch", pa.uint64()),
    "narrow": of_type("partition", pa.uint32()),
    **{f"no-{name}": (lambda name: lambda table: table.drop([name]))(name) for name in manifests.COLUMNS},
    **{f"no-{name}": changed_metadata(name, None) for name in manifests.KEYS},
    "id-of-31-digits": changed_metadata("dataset_id", "0" * 31),
    "id-in-capitals": changed_metadata("dataset_id", "ABCDEF0123456789" * 2),
    "schema-of-other-text": changed_metadata("schema", "@@@@"),
    "schema-without-padding": changed_metadata("schema", "QQ"),
    "schema-of-other-bytes": changed_metadata("schema", "QUJDRA=="),
    "codec-unheard-of": changed_metadata("codec", "brotli"),
    "created-soon": changed_metadata("created_ms", "soon"),
    "negative-time-to-live": changed_metadata("ttl_ms", "-5"),
}


# What the message speaks of, where that is not in the kind's name.
SUBJECTS = {
    "descending": "ascending",
    "descending-partitions": "ascending",
    "repeated": "ascending",
    "null": "partition: ",
    "signed": "batch: ",
    "wide": "batch: ",
    "narrow": "partition: ",
    "id-of-31-digits": "arrowredis.dataset_id: ",
    "id-in-capitals": "arrowredis.dataset_id: ",
    "schema-of-other-text": "arrowredis.schema: ",
    "schema-without-padding": "arrowredis.schema: ",
    "schema-of-other-bytes": "arrowredis.schema: ",
    "codec-unheard-of": "arrowredis.codec: ",
    "created-soon": "arrowredis.created_ms: ",
    "negative-time-to-live": "arrowredis.ttl_ms: ",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_the_format_forbids_is_named(arrowredis, client, prefix, kind):
    subject = SUBJECTS.get(kind, f"{kind.removeprefix('no-')}: ")
    store(client, prefix, VALUES)
    table = BROKEN[kind](manifests.table(manifests.of(VALUES)))
    client.set(manifest_key(prefix), manifests.encoded(table))
    for command in (["read", "--prefix", prefix], ["read", "--prefix", prefix, "--allow-missing"], ["verify", prefix]):
        message = arrowredis.refused(*command, exit=4)
        assert manifest_key(prefix) in message and subject in message, message
        assert "expected" in message and "found" in message, message
    (entry,) = arrowredis.report("ls", prefix)["entries"]
    assert (entry["name"], entry["kind"]) == (prefix, "unreadable")


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        ("rows", "expected {} rows, found {}"),
        ("bytes", "expected {} bytes, found {}"),
        ("checksum", "expected the checksum {:016x}, found {:016x}"),
    ],
)
def test_what_a_manifest_says_of_a_chunk_is_checked(arrowredis, client, prefix, column, shown):
    """Each field by itself: also the rows of a chunk whose length and checksum are right."""
    manifest = manifests.of(VALUES)
    true = manifest.chunks[1][column]
    manifest.chunks[1][column] = true + 1
    manifests.publish(client, prefix, VALUES, chunks=manifest.chunks)
    message = arrowredis.refused("read", "--prefix", prefix, exit=4)
    assert key(prefix, 0, 1) in message, message
    assert shown.format(true + 1, true) in message, message

    rest = arrowredis.report("read", "--prefix", prefix, "--allow-missing")
    assert [damage["key"] for damage in rest["damaged"]] == [key(prefix, 0, 1)], rest
    assert rest["rows"] == 7_500
    report = arrowredis.report("verify", prefix, exit=4)
    assert [damage["key"] for damage in report.get("damaged", [])] == [key(prefix, 0, 1)], report


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(LONG.schema.with_metadata({"k": "v"}), id="metadata"),
        pytest.param(LONG.schema.set(0, pa.field("m", pa.int64())), id="name"),
        pytest.param(pa.schema([LONG.schema.field(0)]), id="fewer-columns"),
        pytest.param(LONG.schema.set(0, pa.field("n", pa.int64(), nullable=False)), id="nullability"),
    ],
)
def test_the_schema_of_a_chunk_is_that_of_the_manifest(arrowredis, client, prefix, schema):
    manifests.publish(client, prefix, VALUES, schema=schema)
    message = arrowredis.refused("read", "--prefix", prefix, exit=4)
    assert key(prefix, 0, 0) in message and "schema" in message, message
    report = arrowredis.report("verify", prefix, exit=4)
    damaged = [damage["key"] for damage in report.get("damaged", [])]
    assert damaged == [key(prefix, *place) for place in PLACES], report


@pytest.mark.parametrize("written", [{}, {"compression": "zstd"}, {"use_legacy_format": True}], ids=["plain", "zstd", "legacy"])
@pytest.mark.parametrize("name", ["target", "größe 日本", "a*b?[c]\\d^-"], ids=["plain", "unicode", "glob"])
def test_an_alias(arrowredis, client, prefix, name, written):
    target = f"{prefix}:{name}"
    manifests.publish(client, target, VALUES)
    table = manifests.alias_table(target)
    table = table.append_column("later", pa.array([], pa.string()))
    client.set(manifest_key(prefix), manifests.encoded(table, **written))
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG)
    info = arrowredis.report("info", prefix)
    assert (info["alias"], info["dataset"], info["state"]) == (prefix, target, "whole")
    assert arrowredis.report("verify", prefix)["whole"]
    assert arrowredis.report("ls", prefix)["entries"] == [{"name": prefix, "kind": "alias", "dataset": target}]


@pytest.mark.parametrize("kind", ["nothing", "alias", "itself", "only-chunks"])
def test_an_alias_of_what_is_no_dataset_names_it(arrowredis, client, prefix, kind):
    """It is followed once."""
    target = prefix if kind == "itself" else f"{prefix}:target"
    if kind == "alias":
        manifests.publish(client, f"{prefix}:last", VALUES)
        client.set(manifest_key(target), manifests.encoded(manifests.alias_table(f"{prefix}:last")))
    if kind == "only-chunks":
        store(client, target, VALUES)
    client.set(manifest_key(prefix), manifests.encoded(manifests.alias_table(target)))
    for command in (["read", "--prefix", prefix], ["info", prefix], ["verify", prefix]):
        message = arrowredis.refused(*command, exit=4)
        assert f"'{prefix}'" in message and f"'{target}" in message, message


def test_an_alias_reads_its_dataset_even_where_chunks_stand_under_its_own_name(arrowredis, client, prefix):
    manifests.publish(client, f"{prefix}:target", VALUES)
    store(client, prefix, {(0, 0): VALUES[3, 0]})
    client.set(manifest_key(prefix), manifests.encoded(manifests.alias_table(f"{prefix}:target")))
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG)


@pytest.mark.parametrize("tidied", range(len(PLACES) + 1))
@pytest.mark.parametrize("before", ["nothing", "another-dataset"])
def test_chunks_that_are_still_staged_are_read(arrowredis, client, prefix, before, tidied):
    """As if the writer had died between commit and tidying, or after so many renames."""
    if before == "another-dataset":
        store(client, prefix, {place: value_of(batch.slice(1)) for place, batch in zip(PLACES, BATCHES)})
    manifest = manifests.of(VALUES)
    for place, value in VALUES.items():
        client.set(f"{key(prefix, *place)}:staged={manifest.dataset_id}", value)
    client.set(manifest_key(prefix), manifests.encoded(manifests.table(manifest)))
    for place in PLACES[:tidied]:
        client.rename(f"{key(prefix, *place)}:staged={manifest.dataset_id}", key(prefix, *place))

    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG)
    assert arrowredis.report("verify", prefix)["whole"]
    info = arrowredis.report("info", prefix)
    assert (info["staged"], info["absent"], info["missing"]) == (len(PLACES) - tidied, 0, []), info


def test_chunks_that_are_staged_for_another_dataset_are_not(arrowredis, client, prefix):
    manifests.publish(client, prefix, VALUES)
    client.rename(key(prefix, 0, 1), f"{key(prefix, 0, 1)}:staged={'f' * 32}")
    assert key(prefix, 0, 1) in arrowredis.refused("read", "--prefix", prefix, exit=4)
    arrowredis.run("verify", prefix, exit=4)


def test_a_dataset_without_rows(arrowredis, client, prefix):
    empty = value_of(LONG.to_batches()[0].slice(0, 0))
    manifests.publish(client, prefix, {(0, 0): empty})
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG.slice(0, 0))
    assert arrowredis.report("info", prefix)["rows"] == 0


def test_commands_that_change_a_dataset_take_one_that_python_wrote(arrowredis, client, prefix, tmp_path):
    manifests.publish(client, prefix, VALUES)
    arrowredis.run("cp", prefix, f"{prefix}-copy")
    assert_same(read_stream(arrowredis.read_to_stdout(f"{prefix}-copy")), LONG)
    arrowredis.run("touch", prefix, "--ttl", "1h")
    assert len({client.pexpiretime(name) for name in keys(client, prefix)} - {-1}) == 1
    arrowredis.split(write(LONG.slice(5), tmp_path / "source"), prefix, "--replace")
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG.slice(5))
    manifests.publish(client, prefix, VALUES)
    arrowredis.run("rm", prefix, "--yes")
    assert keys(client, prefix) == []

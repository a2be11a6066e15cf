"""`ls` and `info`: what they say of datasets of any name and any schema, and what they leave out."""

import time

import pyarrow as pa
import pytest

import manifests
from arrow_files import value_of, write
from chunks import key, keys, manifest_key, store
from tables import LONG, SCHEMA, SHAPES, in_batches

BATCHES = in_batches(LONG, 2_500).to_batches()
VALUES = {(n // 2, n % 2): value_of(batch) for n, batch in enumerate(BATCHES)}

# Each under a prefix of its own test, so that names do not hit each other's patterns.
NAMES = ["plain", "a*b", "a?b", "a[bc]d", "a\\b", "größe", "日本", "with space", "it's", 'a"b', "-dash", "x:manifest", "%41"]


def names(arrowredis, pattern):
    return [entry["name"] for entry in arrowredis.report("ls", pattern)["entries"]]


def escaped(name):
    return "".join(f"\\{letter}" if letter in "*?[]^-\\" else letter for letter in name)


@pytest.mark.parametrize("name", NAMES)
def test_a_dataset_of_any_name(arrowredis, client, prefix, tmp_path, name):
    """Stored, found by its own name alone, shown, checked, removed."""
    for decoy in ("aXb", "ab", "abd", "aXXb", "plai"):
        manifests.publish(client, f"{prefix}:{decoy}", VALUES)
    full = f"{prefix}:{name}"
    source = write(in_batches(LONG, 2_500), tmp_path / "source")
    arrowredis.split(source, full, "--batches", 2)
    assert names(arrowredis, escaped(full)) == [full]
    assert full in names(arrowredis, f"{prefix}:*")
    assert any(full in line for line in arrowredis.run("ls").stdout.decode().splitlines())
    assert f"'{full}'" in arrowredis.run("info", full).stdout.decode()
    info = arrowredis.report("info", full)
    assert (info["dataset"], info["chunks"], info["state"]) == (full, 4, "whole")
    assert arrowredis.report("verify", full)["whole"]
    arrowredis.split(source, full, "--replace")
    assert arrowredis.report("rm", full, "--yes")["chunks"] == 4
    assert keys(client, full) == []
    assert len(names(arrowredis, f"{prefix}:*")) == 5


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["abc", "abd", "b", "größe", "日本"]),
        ("ab?", ["abc", "abd"]),
        ("ab[c]", ["abc"]),
        ("ab[^c]", ["abd"]),
        ("[a-b]*", ["abc", "abd", "b"]),
        ("*b*", ["abc", "abd", "b"]),
        ("b", ["b"]),
        ("gr*e", ["größe"]),
        ("AB*", []),
        ("", []),
    ],
)
def test_names_are_listed_by_pattern_and_in_order(arrowredis, client, prefix, pattern, expected):
    for name in ("b", "日本", "abd", "größe", "abc"):
        manifests.publish(client, f"{prefix}:{name}", {(0, 0): VALUES[0, 0]})
    assert names(arrowredis, f"{prefix}:{pattern}") == [f"{prefix}:{name}" for name in expected]


def test_the_order_is_that_of_names(arrowredis, client, prefix):
    """Not of keys, in which a colon comes after the name."""
    expected = [f"{prefix}:{name}" for name in ("a", "a b", "a-b", "a:b", "ab")]
    for name in expected[::-1]:
        manifests.publish(client, name, {(0, 0): VALUES[0, 0]})
    assert names(arrowredis, f"{prefix}:*") == expected


@pytest.mark.parametrize("pattern", ["gr??e", "日?", "[日月]本"])
def test_a_letter_that_is_not_ascii_is_one_letter(arrowredis, client, prefix, pattern):
    """The help says that ? stands for one character."""
    for name in ("größe", "日本"):
        manifests.publish(client, f"{prefix}:{name}", {(0, 0): VALUES[0, 0]})
    assert len(names(arrowredis, f"{prefix}:{pattern}")) == 1


def test_every_field_of_an_entry(arrowredis, client, prefix, tmp_path):
    report = arrowredis.split(write(in_batches(LONG, 2_500), tmp_path / "source"), prefix, "--batches", 2, "--ttl", "1h")
    manifest = manifests.published(client, prefix)
    listing = arrowredis.report("ls", prefix)
    assert listing["store"] == arrowredis.url
    (entry,) = listing["entries"]
    assert 0 <= entry.pop("age_seconds") < 60
    assert 3_500 < entry.pop("time_to_live_seconds") <= 3_600
    assert entry == {
        "name": prefix,
        "kind": "dataset",
        "dataset_id": manifest.dataset_id,
        "rows": len(LONG),
        "partitions": 2,
        "chunks": 4,
        "bytes": report["bytes"],
        "codec": "uncompressed",
        "created_ms": manifest.created_ms,
    }


def test_the_age_is_the_time_since_it_was_published(arrowredis, client, prefix):
    published = time.time_ns() // 1_000_000 - 3 * 86_400_000
    manifests.publish(client, prefix, VALUES, created_ms=published)
    (entry,) = arrowredis.report("ls", prefix)["entries"]
    for found in (entry, arrowredis.report("info", prefix)):
        assert 0 <= found["age_seconds"] - 3 * 86_400 < 60
        assert found["created_ms"] == published
    assert "3d" in arrowredis.run("ls", prefix).stdout.decode()


def test_a_clock_that_was_set_back_is_no_failure(arrowredis, client, prefix):
    manifests.publish(client, prefix, VALUES, created_ms=time.time_ns() // 1_000_000 + 86_400_000)
    arrowredis.run("ls", prefix)
    arrowredis.run("info", prefix)
    assert arrowredis.report("verify", prefix)["whole"]


def test_what_is_no_dataset_is_not_listed(arrowredis, client, prefix):
    """Chunks without a manifest, keys of others; nor does any of them spoil the list."""
    manifests.publish(client, f"{prefix}:it", VALUES)
    store(client, f"{prefix}:chunks", VALUES)
    foreign = [f"{prefix}:it:manifest:more", f"{prefix}:manifests", f"{prefix}:{{a}}:manifest"]
    foreign.append(f"{prefix}:".encode() + b"\xff:manifest")
    for name in foreign:
        client.set(name, "of somebody else")
    assert names(arrowredis, f"{prefix}*") == [f"{prefix}:it"]
    client.delete(*foreign)


def test_nothing_to_list_is_said(arrowredis, prefix):
    assert arrowredis.report("ls", prefix)["entries"] == []
    assert arrowredis.run("ls", prefix).stdout.decode().startswith("No dataset")


def test_many_datasets(arrowredis, client, prefix):
    value = manifests.encoded(manifests.table(manifests.of(VALUES)))
    expected = [f"{prefix}:{number:04}" for number in range(3_000)]
    client.mset({manifest_key(name): value for name in expected})
    assert names(arrowredis, f"{prefix}:*") == expected
    client.delete(*map(manifest_key, expected))


def test_info_has_everything(arrowredis, client, prefix, tmp_path):
    arrowredis.split(write(SHAPES["metadata"], tmp_path / "source"), prefix, "--batches", 2)
    sizes = {place: len(client.get(key(prefix, *place))) for place in [(0, 0), (0, 1), (1, 0)]}
    info = arrowredis.report("info", prefix)
    assert (info["dataset"], info["alias"], info["store"]) == (prefix, None, arrowredis.url)
    assert (info["rows"], info["chunks"], info["bytes"]) == (5, 3, sum(sizes.values()))
    assert (info["state"], info["absent"], info["staged"], info["missing"]) == ("whole", 0, 0, [])
    assert info["being_written_by"] is None
    memory = sum(client.memory_usage(name, samples=0) for name in keys(client, prefix))
    assert info["memory_bytes"] == memory > info["bytes"]
    assert info["partitions"] == [
        {"partition": 0, "chunks": 2, "rows": 4, "bytes": sizes[0, 0] + sizes[0, 1]},
        {"partition": 1, "chunks": 1, "rows": 1, "bytes": sizes[1, 0]},
    ]
    assert [(column["name"], column["nullable"]) for column in info["columns"]] == [
        (field.name, field.nullable) for field in SCHEMA
    ]
    assert info["metadata"] == {name.decode(): text.decode() for name, text in SCHEMA.metadata.items()}
    shown = arrowredis.run("info", prefix).stdout.decode()
    for text in ("id: Int64, no nulls", "Dictionary(Int8, Utf8)", "origin", "interop", "whole", "for ever"):
        assert text in shown, shown


@pytest.mark.parametrize("name", ["all-types", "no-columns", "names", "many-columns", "uuid", "no-batches"])
def test_info_of_any_schema(arrowredis, prefix, tmp_path, name):
    table = SHAPES[name]
    arrowredis.split(write(table, tmp_path / "source"), prefix)
    info = arrowredis.report("info", prefix)
    assert [column["name"] for column in info["columns"]] == table.schema.names
    arrowredis.run("info", prefix)


def test_info_names_the_writer(arrowredis, client, prefix):
    manifests.publish(client, prefix, VALUES)
    client.set(f"{prefix}:{{{prefix}:manifest}}:claim", "Jane's upload connection=1", px=30_000)
    assert "Jane's upload" in arrowredis.report("info", prefix)["being_written_by"]
    assert "Jane's upload" in arrowredis.run("info", prefix).stdout.decode()


def test_info_says_which_chunks_are_not_tidied(arrowredis, client, prefix):
    manifests.publish(client, prefix, VALUES)
    client.rename(key(prefix, 1, 1), f"{key(prefix, 1, 1)}:staged={manifests.published(client, prefix).dataset_id}")
    info = arrowredis.report("info", prefix)
    assert (info["staged"], info["absent"]) == (1, 0) and info["state"] != "damaged"
    memory = sum(client.memory_usage(name, samples=0) for name in keys(client, prefix))
    assert info["memory_bytes"] == memory


def test_texts_in_names_and_metadata_reach_no_terminal_as_they_are(arrowredis, client, prefix):
    """A schema may hold anything; what is shown has no control character but the line's end."""
    schema = pa.schema([pa.field("a\x1b[31mred\n\x07", pa.int64())], metadata={"k\x1b[2J": "v\x1b]0;title\x07\r"})
    value = value_of(schema=schema)
    manifests.publish(client, prefix, {(0, 0): value}, writer="writer\x1b[31m")
    shown = arrowredis.run("info", prefix).stdout.decode()
    assert all(letter == "\n" or letter.isprintable() for letter in shown), shown
    assert len(shown.splitlines()) < 20

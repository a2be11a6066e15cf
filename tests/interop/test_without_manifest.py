"""Datasets that redis-py stored and that have no manifest: read, adopted, removed; what else says how to go on."""

import re

import pytest

import manifests
from arrow_files import assert_same, each, read_stream, value_of, write
from chunks import key, keys, manifest_key, store, stored
from tables import DICTIONARY, LONG, NESTED, SHAPES, in_batches

BATCHES = in_batches(LONG, 2_500).to_batches()
PLACES = [(0, 0), (0, 1), (3, 0), (100_000, 0)]
VALUES = dict(zip(PLACES, map(value_of, BATCHES), strict=True))


@each(NESTED | DICTIONARY | {name: SHAPES[name] for name in ("metadata", "all-types", "names")})
def test_adopt_writes_a_manifest_of_what_is_there(arrowredis, client, prefix, table):
    values = {(n, 0): value_of(batch) for n, batch in enumerate(table.to_batches())}
    store(client, prefix, values)
    report = arrowredis.report("adopt", prefix)
    manifest = manifests.published(client, prefix)
    assert manifest.chunks == manifests.of(values).chunks
    assert manifest.schema.equals(table.schema, check_metadata=True)
    assert (report["dataset_id"], report["rows"], report["chunks"]) == (manifest.dataset_id, len(table), len(values))
    assert list(stored(client, prefix).values()) == list(values.values())
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), table)
    assert arrowredis.report("verify", prefix)["whole"]


@pytest.mark.parametrize("codecs", [["lz4"], ["zstd"], [None], ["lz4", "zstd"], [None, "lz4"]], ids=str)
def test_adopt_finds_the_codec(arrowredis, client, prefix, codecs):
    values = {(n, 0): value_of(BATCHES[n], compression=codecs[n % len(codecs)]) for n in range(4)}
    store(client, prefix, values)
    report = arrowredis.report("adopt", prefix)
    assert report["codec"] == manifests.published(client, prefix).codec == manifests.codec(values.values())


def test_values_of_several_batches_and_of_none_are_adopted(arrowredis, client, prefix):
    values = {(0, 0): value_of(schema=LONG.schema), (0, 1): value_of(*BATCHES), (1, 0): value_of(schema=LONG.schema)}
    store(client, prefix, values)
    arrowredis.run("adopt", prefix)
    assert [row["rows"] for row in manifests.published(client, prefix).chunks] == [0, len(LONG), 0]
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG)


def test_then_it_is_a_dataset_like_others(arrowredis, client, prefix, tmp_path):
    store(client, prefix, VALUES)
    assert arrowredis.report("ls", prefix)["entries"] == []
    arrowredis.run("adopt", prefix)
    (entry,) = arrowredis.report("ls", prefix)["entries"]
    assert (entry["rows"], entry["chunks"], entry["partitions"]) == (len(LONG), 4, 3)
    assert re.fullmatch(r"arrowredis \S+", arrowredis.report("info", prefix)["writer"])
    message = arrowredis.refused("adopt", prefix, exit=2)
    assert manifest_key(prefix) in message
    client.delete(key(prefix, 3, 0))
    assert key(prefix, 3, 0) in arrowredis.refused("read", "--prefix", prefix, exit=4)


WRONG = {
    "gap": ((0, 3), VALUES[3, 0]),
    "text": ((0, 2), b"not a chunk"),
    "cut": ((0, 2), VALUES[3, 0][:-8]),
    "other-schema": ((0, 2), value_of(BATCHES[0].select(["n"]))),
    "body-that-is-damaged": ((0, 2), value_of(BATCHES[0], compression="zstd")[:-2_000] + bytes(2_000)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_adopt_vouches_for_nothing_that_cannot_be_read(arrowredis, client, prefix, kind):
    place, value = WRONG[kind]
    store(client, prefix, VALUES | {place: value})
    message = arrowredis.refused("adopt", prefix, exit=4)
    assert key(prefix, *((0, 2) if kind == "gap" else place)) in message, message
    assert manifest_key(prefix) not in keys(client, prefix)


def test_adopt_of_nothing(arrowredis, client, prefix):
    arrowredis.refused("adopt", prefix, exit=4)
    assert keys(client, prefix) == []


def test_adopt_gives_all_keys_the_same_end(arrowredis, client, prefix):
    """They expire as one from then on, at the earliest that any of them would have."""
    store(client, prefix, VALUES)
    client.pexpire(key(prefix, 0, 0), 3_600_000)
    client.pexpire(key(prefix, 0, 1), 7_200_000)
    arrowredis.run("adopt", prefix)
    instants = {client.pexpiretime(name) for name in keys(client, prefix)}
    assert len(instants) == 1, {name: client.pexpiretime(name) for name in keys(client, prefix)}


def test_adopt_does_not_take_what_is_being_removed(arrowredis, client, prefix):
    """Chunks that have a time to live are no dataset while the sign of removal is there."""
    store(client, prefix, VALUES)
    for place in VALUES:
        client.expire(key(prefix, *place), 500)
    client.set(f"{prefix}:{{{prefix}:manifest}}:removed", "a manifest", ex=600)
    arrowredis.refused("adopt", prefix, exit=4)
    arrowredis.refused("read", "--prefix", prefix, exit=4)


def test_it_is_removed(arrowredis, client, prefix):
    store(client, prefix, VALUES)
    store(client, f"{prefix}:more", VALUES)
    client.set(f"{prefix}:note", "of somebody else")
    assert arrowredis.report("rm", prefix, "--yes")["chunks"] == 4
    left = [key(f"{prefix}:more", *place) for place in VALUES] + [f"{prefix}:note"]
    assert keys(client, prefix) == sorted(left)


@pytest.mark.parametrize(
    "command", [["info"], ["verify"], ["touch", "--ttl", "1h"], ["cp", "elsewhere"]], ids=lambda words: words[0]
)
def test_what_needs_a_manifest_says_how_to_get_one(arrowredis, client, prefix, command):
    store(client, prefix, VALUES)
    message = arrowredis.refused(command[0], prefix, *command[1:], exit=4)
    assert manifest_key(prefix) in message and f"arrowredis adopt {prefix}" in message, message
    assert keys(client, "elsewhere") == []


@pytest.mark.parametrize("option", ["--replace", "--drop-first"])
def test_it_is_replaced(arrowredis, client, prefix, tmp_path, option):
    store(client, prefix, VALUES)
    source = write(LONG.slice(1), tmp_path / "source")
    assert "--replace" in arrowredis.refused("split", "--inp", source, "--prefix", prefix, exit=2)
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG)
    arrowredis.split(source, prefix, option)
    assert list(stored(client, prefix)) == [key(prefix, 0, 0)]
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG.slice(1))

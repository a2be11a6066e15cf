"""`cp`: a dataset under another name, in another database, on another server; the same values, nothing decoded."""

import pytest

import manifests
from arrow_files import assert_same, each, read_stream, value_of, write
from chunks import key, keys, manifest_key, store, stored
from command import Command
from tables import DICTIONARY, LONG, SHAPES, in_batches

VALUES = {(n // 2, n % 2): value_of(batch) for n, batch in enumerate(in_batches(LONG, 2_500).to_batches())}


@pytest.fixture
def other(arrowredis, other_port):
    """The command, working on the second server."""
    return Command(arrowredis.program, f"redis://127.0.0.1:{other_port}/0")


def assert_copied(found, client, name, original, original_name):
    """The values are the same bytes, the manifest says the same of them, and it is a writing of its own."""
    assert list(stored(client, name).values()) == list(stored(original, original_name).values())
    copy, source = (manifests.published(*place) for place in ((client, name), (original, original_name)))
    assert copy.chunks == source.chunks and copy.codec == source.codec
    assert copy.schema.equals(source.schema, check_metadata=True)
    assert copy.dataset_id != source.dataset_id
    assert copy.created_ms >= source.created_ms
    assert {client.pexpiretime(key) for key in keys(client, name)} == {-1}
    assert (found["copy"], found["copy_id"]) == (name, copy.dataset_id)
    assert (found["rows"], found["chunks"]) == (sum(row["rows"] for row in copy.chunks), len(copy.chunks))
    assert found["bytes"] == sum(row["bytes"] for row in copy.chunks)


@each(
    {
        "metadata": SHAPES["metadata"],
        "all-types": SHAPES["all-types"],
        "no-batches": SHAPES["no-batches"],
        "dictionary": DICTIONARY["in-dictionary-in-dictionary"],
        "many-batches": SHAPES["many-batches"],
    }
)
@pytest.mark.parametrize("where", ["here", "other-database", "other-server"])
def test_a_copy_is_the_same(arrowredis, other, client, other_client, prefix, tmp_path, table, where):
    arrowredis.split(write(table, tmp_path / "source", compression="zstd"), prefix, "--batches", 2)
    if where == "here":
        found = arrowredis.report("cp", prefix, f"{prefix}-copy")
        assert_copied(found, client, f"{prefix}-copy", client, prefix)
        assert_same(read_stream(arrowredis.read_to_stdout(f"{prefix}-copy")), table)
    if where == "other-database":
        url = arrowredis.url.removesuffix("0") + "7"
        arrowredis.run("cp", prefix, url)
        there = Command(arrowredis.program, url)
        assert_same(read_stream(there.read_to_stdout(prefix)), table)
        there.run("rm", prefix, "--yes")
    if where == "other-server":
        found = arrowredis.report("cp", prefix, other.url)
        assert_copied(found, other_client, prefix, client, prefix)
        assert (found["store"], found["copy_store"]) == (arrowredis.url, other.url)
        assert_same(read_stream(other.read_to_stdout(prefix)), table)
        assert other.report("verify", prefix)["whole"]


@pytest.mark.parametrize("first", ["name", "address"])
@pytest.mark.parametrize("name", ["größe 日本", "a*b?[c]\\d", "it's"])
def test_to_another_name_on_another_server(arrowredis, client, other_client, other, prefix, first, name):
    manifests.publish(client, prefix, VALUES)
    words = [f"{prefix}:{name}", other.url]
    found = arrowredis.report("cp", prefix, *(words if first == "name" else words[::-1]))
    assert_copied(found, other_client, words[0], client, prefix)
    assert keys(other_client, prefix) == keys(other_client, words[0])


@pytest.mark.parametrize("option", ["--replace", "--drop-first"])
def test_a_dataset_that_is_there_is_replaced_on_request(arrowredis, client, prefix, option):
    manifests.publish(client, prefix, VALUES)
    more = VALUES | {(9, n): VALUES[0, 0] for n in range(3)}
    manifests.publish(client, f"{prefix}-copy", more)
    before = {name: client.get(name) for name in keys(client, f"{prefix}-copy")}
    message = arrowredis.refused("cp", prefix, f"{prefix}-copy", exit=2)
    assert "--replace" in message
    assert {name: client.get(name) for name in keys(client, f"{prefix}-copy")} == before
    found = arrowredis.report("cp", prefix, f"{prefix}-copy", option)
    assert found["replaced"] is True
    assert_copied(found, client, f"{prefix}-copy", client, prefix)


def test_with_a_time_to_live(arrowredis, client, prefix):
    manifests.publish(client, prefix, VALUES)
    arrowredis.run("cp", prefix, f"{prefix}-copy", "--ttl", "1h")
    (instant,) = {client.pexpiretime(name) for name in keys(client, f"{prefix}-copy")}
    assert instant > 0
    assert manifests.published(client, f"{prefix}-copy").ttl_ms == 3_600_000
    assert {client.pexpiretime(name) for name in keys(client, prefix)} == {-1}


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped", "swapped"])
def test_damage_is_not_copied(arrowredis, client, other_client, other, prefix, damage):
    manifests.publish(client, prefix, VALUES)
    name, value = key(prefix, 0, 1), VALUES[0, 1]
    if damage == "gone":
        client.delete(name)
    else:
        flipped = value[:99] + bytes([value[99] ^ 1]) + value[100:]
        client.set(name, {"cut": value[:-1], "flipped": flipped, "swapped": VALUES[1, 0]}[damage])
    message = arrowredis.refused("cp", prefix, other.url, exit=4)
    assert name in message, message
    assert manifest_key(prefix) not in keys(other_client, prefix)
    assert other.report("ls", prefix)["entries"] == []
    other.refused("read", "--prefix", prefix, exit=4)


def test_a_dataset_that_is_not_tidied_is_copied_whole(arrowredis, client, prefix):
    manifests.publish(client, prefix, VALUES)
    id = manifests.published(client, prefix).dataset_id
    for place in [(0, 1), (1, 0)]:
        client.rename(key(prefix, *place), f"{key(prefix, *place)}:staged={id}")
    arrowredis.run("cp", prefix, f"{prefix}-copy")
    assert list(stored(client, f"{prefix}-copy").values()) == list(VALUES.values())


def test_what_cannot_be_copied(arrowredis, client, prefix):
    manifests.publish(client, prefix, VALUES)
    store(client, f"{prefix}-chunks", VALUES)
    before = {name: client.get(name) for name in keys(client, prefix)}
    arrowredis.refused("cp", prefix, prefix, exit=2)
    arrowredis.refused("cp", prefix, arrowredis.url, exit=2)
    arrowredis.refused("cp", prefix, f"{prefix}-a", f"{prefix}-b", exit=2)
    arrowredis.refused("cp", prefix, "redis://127.0.0.1:1/0", exit=3)
    arrowredis.refused("cp", f"{prefix}-nothing", f"{prefix}-a", exit=4)
    assert f"{prefix}-chunks" in arrowredis.refused("cp", f"{prefix}-chunks", f"{prefix}-a", exit=4)
    assert {name: client.get(name) for name in keys(client, prefix)} == before
    assert keys(client, f"{prefix}-a") == []


def test_no_password_is_shown(arrowredis, client, prefix, other_port):
    manifests.publish(client, prefix, VALUES)
    message = arrowredis.refused("cp", prefix, f"redis://jane:s3cr3t@127.0.0.1:{other_port}/0", exit=3)
    assert "s3cr3t" not in message and "jane" not in message, message

"""Every kind of damage to a manifest: named by all that reads one, never taken for a smaller dataset."""

import random

import pytest

import manifests
from arrow_files import assert_same, read_stream, write
from chunks import key, keys, manifest_key, stored
from tables import LONG, in_batches


@pytest.fixture
def manifest(arrowredis, client, prefix, tmp_path):
    """The manifest of LONG in two partitions of two batches."""
    arrowredis.split(write(in_batches(LONG, 2_500), tmp_path / "source"), prefix, "--batches", 2)
    return client.get(manifest_key(prefix))


def assert_named(arrowredis, prefix, exit=4):
    """By every command that needs the manifest; `ls` shows it among the others."""
    for line in (
        ["read", "--prefix", prefix],
        ["read", "--prefix", prefix, "--allow-missing"],
        ["verify", prefix],
        ["info", prefix],
        ["touch", prefix, "--ttl", "1h"],
        ["cp", prefix, f"{prefix}-copy"],
        ["alias", f"{prefix}-alias", prefix],
    ):
        message = arrowredis.refused(*line, exit=exit)
        assert f"'{manifest_key(prefix)}'" in message, message
        assert "expected" in message and "found" in message or "cut off" in message, message
    assert_listed(arrowredis, prefix)


def assert_listed(arrowredis, prefix):
    (entry,) = arrowredis.report("ls", prefix)["entries"]
    assert (entry["name"], entry["kind"]) == (prefix, "unreadable") and entry["what"]
    (line,) = (line for line in arrowredis.run("ls").stdout.decode().splitlines() if line.split()[0] == prefix)
    assert "unreadable" in line


@pytest.mark.parametrize("seed", range(8))
def test_a_bit_that_flipped(arrowredis, client, prefix, manifest, seed):
    changed = bytearray(manifest)
    bit = random.Random(seed).randrange(len(manifest) * 8)
    changed[bit // 8] ^= 1 << bit % 8
    client.set(manifest_key(prefix), bytes(changed))
    if seed == 0:
        assert_named(arrowredis, prefix)
    message = arrowredis.refused("read", "--prefix", prefix, exit=4)
    stands = int.from_bytes(changed[-8:], "little")
    assert f"{stands:016x}" in message and f"{manifests.checksum(bytes(changed[:-8])):016x}" in message, message


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, -9, -8, -1])
def test_a_manifest_that_became_shorter(arrowredis, client, prefix, manifest, length):
    client.set(manifest_key(prefix), manifest[:length])
    assert_named(arrowredis, prefix)


def test_a_manifest_that_became_longer(arrowredis, client, prefix, manifest):
    client.append(manifest_key(prefix), b"\0")
    assert_named(arrowredis, prefix)


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(lambda stream: b"", id="nothing"),
        pytest.param(lambda stream: b"hello, world", id="text"),
        pytest.param(lambda stream: stream[:-8], id="without-end-mark"),
        pytest.param(lambda stream: stream[: len(stream) // 2], id="half"),
        pytest.param(lambda stream: stream + stream[-8:], id="two-end-marks"),
        pytest.param(lambda stream: stream + stream, id="twice"),
    ],
)
def test_a_stream_that_is_none_under_a_checksum_that_is_right(arrowredis, client, prefix, manifest, stream):
    client.set(manifest_key(prefix), manifests.sealed(stream(manifest[:-8])))
    assert_named(arrowredis, prefix)


def test_a_chunk_in_its_place(arrowredis, client, prefix, manifest):
    client.copy(key(prefix, 0, 0), manifest_key(prefix), replace=True)
    assert_named(arrowredis, prefix)
    client.set(manifest_key(prefix), manifests.sealed(client.get(key(prefix, 0, 0))))
    assert_named(arrowredis, prefix)


def test_another_dataset_s_manifest(arrowredis, client, prefix, tmp_path, manifest):
    """It is whole: the chunks are what does not fit."""
    arrowredis.split(write(in_batches(LONG.slice(1), 2_500), tmp_path / "other"), f"{prefix}-other")
    client.copy(manifest_key(f"{prefix}-other"), manifest_key(prefix), replace=True)
    assert key(prefix, 0, 0) in arrowredis.refused("read", "--prefix", prefix, exit=4)
    assert len(arrowredis.report("verify", prefix, exit=4)["damaged"]) == 2


def test_a_key_of_another_type(arrowredis, client, prefix, manifest):
    client.delete(manifest_key(prefix))
    client.rpush(manifest_key(prefix), "an element")
    try:
        assert_named(arrowredis, prefix)
    finally:
        client.delete(manifest_key(prefix))


def test_a_key_of_another_type_spoils_no_list_of_others(arrowredis, client, prefix, manifest):
    """Anybody may have a key whose name ends like a manifest's."""
    client.rpush(manifest_key(f"{prefix}-foreign"), "an element")
    try:
        entries = {entry["name"]: entry for entry in arrowredis.report("ls", f"{prefix}*")["entries"]}
        assert entries[prefix]["rows"] == len(LONG)
    finally:
        client.delete(manifest_key(f"{prefix}-foreign"))


def test_it_is_replaced_only_on_request(arrowredis, client, prefix, tmp_path, manifest):
    client.set(manifest_key(prefix), manifest[:-1])
    before = {name: client.get(name) for name in keys(client, prefix)}
    source = write(LONG.slice(1), tmp_path / "other")
    message = arrowredis.refused("split", "--inp", source, "--prefix", prefix, exit=2)
    assert "--replace" in message
    assert {name: client.get(name) for name in keys(client, prefix)} == before
    arrowredis.split(source, prefix, "--replace")
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG.slice(1))
    assert list(stored(client, prefix)) == [key(prefix, 0, 0)]


@pytest.mark.parametrize("option", ["--replace", "--drop-first"])
def test_a_key_of_another_type_is_not_replaced(arrowredis, client, prefix, tmp_path, manifest, option):
    """It is another program's; the message says how to go on."""
    client.delete(manifest_key(prefix))
    client.rpush(manifest_key(prefix), "an element")
    try:
        message = arrowredis.refused("split", "--inp", tmp_path / "source", "--prefix", prefix, option, exit=4)
        assert manifest_key(prefix) in message and "another prefix" in message, message
        assert client.lrange(manifest_key(prefix), 0, -1) == [b"an element"]
    finally:
        client.delete(manifest_key(prefix))


@pytest.mark.parametrize("damage", ["cut", "deleted"])
def test_adopt_writes_it_anew(arrowredis, client, prefix, manifest, damage):
    client.set(manifest_key(prefix), manifest[:-1])
    if damage == "deleted":
        client.delete(manifest_key(prefix))
    arrowredis.run("adopt", prefix)
    found = manifests.published(client, prefix)
    assert found.chunks == manifests.decoded(manifest).chunks
    assert found.dataset_id != manifests.decoded(manifest).dataset_id
    assert arrowredis.report("verify", prefix)["whole"]


@pytest.mark.parametrize("before", ["nothing", "another-dataset"])
def test_adopt_makes_no_smaller_dataset_and_no_blend(arrowredis, client, prefix, manifest, before):
    """Where a writer died between commit and tidying, chunks of the dataset still have their staged names."""
    id, name = manifests.decoded(manifest).dataset_id, key(prefix, 1, 1)
    client.rename(name, f"{name}:staged={id}")
    if before == "another-dataset":
        client.copy(key(prefix, 0, 0), name)
    client.set(manifest_key(prefix), manifest[:-1])
    arrowredis.refused("adopt", prefix, exit=4)
    assert client.get(manifest_key(prefix)) == manifest[:-1]


def test_rm_removes_a_dataset_whose_manifest_is_damaged(arrowredis, client, prefix, manifest):
    client.set(manifest_key(prefix), manifest[:-1])
    arrowredis.run("rm", prefix, "--yes")
    assert keys(client, prefix) == []

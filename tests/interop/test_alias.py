"""`alias`: a name that stands for a dataset, switched in one step, and what it does not take."""

import pytest

import manifests
from arrow_files import assert_same, read_stream, value_of, write
from chunks import key, keys, manifest_key, store
from tables import LONG, in_batches

VALUES = {(n, 0): value_of(batch) for n, batch in enumerate(in_batches(LONG, 5_000).to_batches())}
OTHER = {(0, 0): value_of(LONG.slice(1).to_batches()[0])}


@pytest.fixture
def datasets(client, prefix):
    """Two datasets, of LONG and of LONG without its first row."""
    names = f"{prefix}:v1", f"{prefix}:v2"
    for name, values in zip(names, (VALUES, OTHER), strict=True):
        manifests.publish(client, name, values)
    return names


def test_it_is_set_and_switched(arrowredis, client, prefix, datasets):
    one, two = datasets
    report = arrowredis.report("alias", prefix, one)
    assert (report["alias"], report["dataset"], report["before"]) == (prefix, one, None)
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG)
    report = arrowredis.report("alias", prefix, two)
    assert (report["dataset"], report["before"]) == (two, one)
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG.slice(1))
    assert arrowredis.report("alias", prefix, two)["before"] == two
    assert set(keys(client, prefix)) - {manifest_key(prefix)} == {*keys(client, one), *keys(client, two)}


@pytest.mark.parametrize("name", ["größe 日本", "a*b?[c]\\d", "-dash", "it's", 'a"b', "x:manifest"])
def test_of_any_name(arrowredis, client, prefix, name):
    alias, dataset = f"{prefix}:{name}", f"{prefix}:of:{name}"
    manifests.publish(client, dataset, VALUES)
    arrowredis.run("alias", alias, dataset)
    assert_same(read_stream(arrowredis.read_to_stdout(alias)), LONG)
    shown = arrowredis.report("info", alias)
    assert (shown["alias"], shown["dataset"]) == (alias, dataset)


def test_what_reads_follows_it(arrowredis, client, prefix, tmp_path, datasets):
    one, _ = datasets
    arrowredis.run("alias", prefix, one)
    assert arrowredis.report("verify", prefix)["dataset"] == one
    source = write(in_batches(LONG, 5_000), tmp_path / "source")
    assert arrowredis.report("verify", prefix, source, "--batches", 1)["equal"]
    assert arrowredis.report("read", "--prefix", prefix)["rows"] == len(LONG)
    assert arrowredis.report("cp", prefix, f"{prefix}-copy")["rows"] == len(LONG)
    entries = arrowredis.report("ls", f"{prefix}*")["entries"]
    assert {"name": prefix, "kind": "alias", "dataset": one} in entries
    assert {entry["name"] for entry in entries} == {prefix, f"{prefix}-copy", *datasets}


def test_damage_is_named_by_the_dataset_s_key(arrowredis, client, prefix, datasets):
    one, _ = datasets
    arrowredis.run("alias", prefix, one)
    client.delete(key(one, 1, 0))
    assert key(one, 1, 0) in arrowredis.refused("read", "--prefix", prefix, exit=4)
    assert arrowredis.report("verify", prefix, exit=4)["missing"] == [key(one, 1, 0)]


def test_what_writes_does_not_follow_it(arrowredis, client, prefix, tmp_path, datasets):
    one, _ = datasets
    arrowredis.run("alias", prefix, one)
    before = {name: client.get(name) for name in keys(client, prefix)}
    source = write(LONG.slice(2), tmp_path / "source")
    for line in (
        ["split", "--inp", source, "--prefix", prefix],
        ["split", "--inp", source, "--prefix", prefix, "--replace"],
        ["split", "--inp", source, "--prefix", prefix, "--drop-first"],
        ["cp", datasets[1], prefix],
        ["cp", datasets[1], prefix, "--replace"],
        ["adopt", prefix],
    ):
        message = arrowredis.refused(*line, exit=2)
        assert f"'{prefix}' is an alias of '{one}'" in message, message
    assert {name: client.get(name) for name in keys(client, prefix)} == before


def test_rm_removes_the_alias_only(arrowredis, client, prefix, datasets):
    one, two = datasets
    arrowredis.run("alias", prefix, one)
    report = arrowredis.report("rm", prefix, "--yes")
    assert (report["alias_of"], report["chunks"]) == (one, 0)
    assert keys(client, prefix) == sorted([*keys(client, one), *keys(client, two)])


def test_the_dataset_s_replacement_is_what_it_stands_for(arrowredis, prefix, tmp_path, datasets):
    one, _ = datasets
    arrowredis.run("alias", prefix, one)
    arrowredis.split(write(LONG.slice(2), tmp_path / "source"), one, "--replace")
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG.slice(2))


def test_a_dataset_that_is_gone(arrowredis, client, prefix, datasets):
    one, two = datasets
    arrowredis.run("alias", prefix, one)
    arrowredis.run("rm", one, "--yes")
    for line in (["read", "--prefix", prefix], ["info", prefix], ["verify", prefix], ["touch", prefix, "--ttl", "1h"]):
        message = arrowredis.refused(*line, exit=4)
        assert f"'{prefix}' is an alias of '{one}'" in message, message
    assert arrowredis.report("ls", prefix)["entries"][0]["kind"] == "alias"
    arrowredis.run("alias", prefix, two)
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG.slice(1))


def test_rm_does_not_say_that_a_dataset_is_there_which_is_gone(arrowredis, prefix, datasets):
    one, _ = datasets
    arrowredis.run("alias", prefix, one)
    arrowredis.run("rm", one, "--yes")
    assert "still there" not in arrowredis.run("rm", prefix, "--yes").stdout.decode()


@pytest.mark.parametrize("kind", ["nothing", "itself", "alias", "chunks", "dataset"])
def test_what_cannot_be_one(arrowredis, client, prefix, datasets, kind):
    """It stands for a dataset that has a manifest, and takes no dataset's place."""
    one, two = datasets
    name, target, exit = prefix, one, 2
    if kind == "nothing":
        target, exit = f"{prefix}:v3", 4
    if kind == "itself":
        target = prefix
    if kind == "alias":
        arrowredis.run("alias", f"{prefix}:alias", one)
        target = f"{prefix}:alias"
    if kind == "chunks":
        store(client, f"{prefix}:chunks", VALUES)
        target, exit = f"{prefix}:chunks", 4
    if kind == "dataset":
        name, target = one, two
    before = {name: client.get(name) for name in keys(client, prefix)}
    message = arrowredis.refused("alias", name, target, exit=exit)
    assert f"'{target}'" in message, message
    assert {name: client.get(name) for name in keys(client, prefix)} == before


def test_it_hides_no_chunks(arrowredis, client, prefix, datasets):
    """Of a dataset without a manifest, which would be lost behind it."""
    store(client, prefix, VALUES)
    arrowredis.refused("alias", prefix, datasets[1], exit=2)
    assert manifest_key(prefix) not in keys(client, prefix)

"""What `split` does to a dataset of the same name: refuses, replaces without a trace, or keeps for a while."""

import pytest

import manifests
from arrow_files import assert_same, read_stream, value_of, write
from chunks import key, keys, manifest_key, store, stored
from tables import LONG, SHAPES, in_batches

REPLACING = pytest.mark.parametrize("option", ["--replace", "--drop-first"])
BATCHES = in_batches(LONG, 1_000).to_batches()
OLD = {(n // 2, n % 2): value_of(batch) for n, batch in enumerate(BATCHES)}
NEW = LONG.slice(3)


def everything(client, prefix):
    return {name: (client.get(name), client.pexpiretime(name)) for name in keys(client, prefix)}


def put_old(client, prefix, kind):
    """Ten chunks in five partitions, as this command or as another program leaves them."""
    if kind == "with-manifest":
        manifests.publish(client, prefix, OLD)
    else:
        store(client, prefix, OLD)


KINDS = pytest.mark.parametrize("kind", ["with-manifest", "without-manifest"])


@KINDS
def test_it_is_refused_and_nothing_is_touched(arrowredis, client, prefix, tmp_path, kind):
    put_old(client, prefix, kind)
    before = everything(client, prefix)
    source = write(NEW, tmp_path / "source")
    for options in ([], ["--ttl", "1h"], ["--compression", "zstd"]):
        message = arrowredis.refused("split", "--inp", source, "--prefix", prefix, *options, exit=2)
        assert f"'{prefix}'" in message and "--replace" in message, message
    assert everything(client, prefix) == before


@REPLACING
@KINDS
@pytest.mark.parametrize("rows", [10_000, 5_000, 1_000, 100], ids=lambda rows: f"{-(-9_997 // rows)}-chunks")
@pytest.mark.parametrize("batches", [2, 100], ids=["partitions", "one-partition"])
def test_no_key_of_the_old_one_is_left(arrowredis, client, prefix, tmp_path, option, kind, rows, batches):
    """Fewer chunks, fewer partitions, as many and more."""
    put_old(client, prefix, kind)
    table = in_batches(NEW, rows)
    report = arrowredis.split(write(table, tmp_path / "source"), prefix, option, "--batches", batches)
    assert report["replaced"] is True
    places = [(n // batches, n % batches) for n in range(len(table.to_batches()))]
    assert list(stored(client, prefix)) == [key(prefix, *place) for place in places]
    assert {client.pexpiretime(name) for name in keys(client, prefix)} == {-1}
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), NEW)
    assert arrowredis.report("verify", prefix, tmp_path / "source", "--batches", batches)["equal"]


@REPLACING
def test_where_there_is_nothing_it_is_as_without(arrowredis, client, prefix, tmp_path, option):
    report = arrowredis.split(write(NEW, tmp_path / "source"), prefix, option)
    assert report["replaced"] is False
    assert list(stored(client, prefix)) == [key(prefix, 0, 0)]


@REPLACING
def test_by_another_schema(arrowredis, client, prefix, tmp_path, option):
    put_old(client, prefix, "with-manifest")
    arrowredis.split(write(SHAPES["metadata"], tmp_path / "source"), prefix, option)
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), SHAPES["metadata"])
    assert len(stored(client, prefix)) == 3


@REPLACING
def test_by_one_without_rows(arrowredis, client, prefix, tmp_path, option):
    put_old(client, prefix, "with-manifest")
    arrowredis.split(write(LONG.slice(0, 0), tmp_path / "source"), prefix, option)
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG.slice(0, 0))
    assert list(stored(client, prefix)) == [key(prefix, 0, 0)]


@REPLACING
def test_a_file_that_cannot_be_stored_replaces_nothing(arrowredis, client, prefix, tmp_path, option):
    put_old(client, prefix, "with-manifest")
    before = everything(client, prefix)
    source = tmp_path / "source"
    source.write_bytes(value_of(BATCHES[0])[:-100])
    arrowredis.refused("split", "--inp", source, "--prefix", prefix, option, exit=2)
    assert everything(client, prefix) == before


@REPLACING
def test_other_datasets_are_left_alone(arrowredis, client, prefix, tmp_path, option):
    names = [f"{prefix}:", f"{prefix}:more", f"x{prefix}", f"{prefix[:-1]}*"]
    for name in [prefix, *names]:
        put_old(client, name, "with-manifest")
    before = {name: everything(client, name) for name in names}
    arrowredis.split(write(NEW, tmp_path / "source"), prefix, option)
    assert {name: everything(client, name) for name in names} == before


def test_a_replaced_dataset_can_be_read_on_for_a_while(arrowredis, client, prefix, tmp_path):
    """With its own manifest, as a reader that began before has it."""
    put_old(client, prefix, "with-manifest")
    manifest = client.get(manifest_key(prefix))
    arrowredis.split(write(NEW, tmp_path / "source"), prefix, "--replace", "--keep-old", "30s")
    now = set(keys(client, prefix))
    assert {client.pexpiretime(name) for name in (manifest_key(prefix), key(prefix, 0, 0))} == {-1}

    kept = now - {manifest_key(prefix), key(prefix, 0, 0)}
    id = manifests.decoded(manifest).dataset_id
    assert kept == {f"{key(prefix, *place)}:staged={id}" for place in OLD}
    assert all(20_000 < client.pttl(name) <= 30_000 for name in kept)
    assert len({client.pexpiretime(name) for name in kept}) == 1

    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), NEW)
    client.set(manifest_key(prefix), manifest)
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG)
    assert arrowredis.report("verify", prefix)["whole"]


def test_what_is_kept_counts_as_nothing(arrowredis, client, prefix, tmp_path):
    put_old(client, prefix, "with-manifest")
    arrowredis.split(write(NEW, tmp_path / "source"), prefix, "--replace", "--keep-old", "30s")
    (entry,) = arrowredis.report("ls", prefix)["entries"]
    info = arrowredis.report("info", prefix)
    assert (entry["chunks"], info["chunks"], info["staged"], info["state"]) == (1, 1, 0, "whole")
    assert arrowredis.report("verify", prefix)["whole"]
    assert arrowredis.report("rm", prefix, "--yes")["leftovers"] == len(OLD)
    assert keys(client, prefix) == []


def test_a_dataset_without_a_manifest_cannot_be_kept_but_is_replaced(arrowredis, client, prefix, tmp_path):
    """It has no id to keep its chunks under."""
    put_old(client, prefix, "without-manifest")
    arrowredis.split(write(NEW, tmp_path / "source"), prefix, "--replace", "--keep-old", "30s")
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), NEW)
    assert set(stored(client, prefix)) == {key(prefix, 0, 0)}


@pytest.mark.parametrize(
    "options", [["--keep-old", "30s"], ["--keep-old", "30s", "--drop-first"], ["--replace", "--drop-first"]]
)
def test_options_that_contradict_each_other(arrowredis, client, prefix, tmp_path, options):
    arrowredis.run("split", "--inp", write(NEW, tmp_path / "source"), "--prefix", prefix, *options, exit=2)
    assert keys(client, prefix) == []


def claim_key(prefix):
    return f"{prefix}:{{{prefix}:manifest}}:claim"


@pytest.mark.parametrize("command", [["split", "--replace"], ["split", "--drop-first"], ["rm", "--yes"], ["adopt"]])
def test_one_writer_at_a_time(arrowredis, client, prefix, tmp_path, command):
    """A second is told of the first; whoever reads is not."""
    put_old(client, prefix, "without-manifest" if command == ["adopt"] else "with-manifest")
    owner = f"connection={client.client_id()} server={client.info('server')['run_id']} another program"
    client.set(claim_key(prefix), owner, px=30_000)
    before = everything(client, prefix)
    line = ["--inp", write(NEW, tmp_path / "source"), "--prefix"] if command[0] == "split" else []
    message = arrowredis.refused(command[0], *line, prefix, *command[1:], exit=3)
    assert f"'{prefix}'" in message and owner in message and claim_key(prefix) in message, message
    assert everything(client, prefix) == before
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG)


def test_the_claim_of_a_writer_whose_connection_is_gone_is_taken_over(arrowredis, client, prefix, tmp_path):
    put_old(client, prefix, "with-manifest")
    server = client.info("server")["run_id"]
    client.set(claim_key(prefix), f"connection=999999999 server={server} another program", px=30_000)
    arrowredis.split(write(NEW, tmp_path / "source"), prefix, "--replace")
    assert list(stored(client, prefix)) == [key(prefix, 0, 0)]


def test_what_a_dead_writer_left_is_in_nobody_s_way(arrowredis, client, prefix, tmp_path):
    """Chunks staged for a dataset that was never published."""
    left = {f"{key(prefix, *place)}:staged={'d' * 32}": value for place, value in OLD.items()}
    for name, value in left.items():
        client.set(name, value, ex=900)
    message = arrowredis.refused("read", "--prefix", prefix, exit=4)
    assert "no chunk" in message
    assert arrowredis.report("ls", prefix)["entries"] == []
    arrowredis.split(write(NEW, tmp_path / "source"), prefix)
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), NEW)
    assert set(keys(client, prefix)) - left.keys() == {manifest_key(prefix), key(prefix, 0, 0)}
    assert all(client.pttl(name) > 0 for name in left.keys() & set(keys(client, prefix)))

"""Every kind of damage to a chunk: found by `read` and `verify`, named, and skipped only on request."""

import random

import pyarrow as pa
import pytest

import manifests
from arrow_files import assert_same, read_file, read_stream, value_of, write
from chunks import key, manifest_key, stored
from tables import LONG, in_batches

BATCHES = in_batches(LONG, 2_500).to_batches()
PLACES = [(0, 0), (0, 1), (1, 0), (1, 1)]
# The one that is damaged, and the one that it is swapped with.
VICTIM, OTHER = PLACES[1], PLACES[2]


@pytest.fixture
def dataset(arrowredis, client, prefix, tmp_path):
    """LONG in two partitions of two batches; returns its values by place."""
    arrowredis.split(write(in_batches(LONG, 2_500), tmp_path / "source"), prefix, "--batches", 2)
    return dict(zip(PLACES, stored(client, prefix).values(), strict=True))


def assert_damaged(arrowredis, prefix, folder, damaged=(VICTIM,), absent=()):
    """All of it is reported, with what was expected and found, and the rest can still be read."""
    gone, bad = ([key(prefix, *place) for place in places] for places in (absent, damaged))
    first = key(prefix, *min([*damaged, *absent]))
    out = folder / "copy.arrow"
    for target in ([], ["--out", out]):
        message = arrowredis.refused("read", "--prefix", prefix, *target, exit=4)
        assert f"'{first}'" in message, message
        assert "is absent: the manifest lists it" in message or "expected" in message and "found" in message, message
    assert not out.exists()

    # A partition that is whole can be read as if nothing had happened.
    whole = {partition for partition, _ in PLACES} - {partition for partition, _ in [*damaged, *absent]}
    for partition in whole:
        arrowredis.run("read", "--prefix", prefix, "--partitions", partition)

    left = [BATCHES[n] for n, place in enumerate(PLACES) if place not in [*damaged, *absent]]
    table = pa.Table.from_batches(left, LONG.schema)
    report = arrowredis.report("read", "--prefix", prefix, "--allow-missing", "--out", out)
    assert_same(read_file(out), table)
    assert_same(read_stream(arrowredis.read_to_stdout(prefix, "--allow-missing")), table)
    assert (report["chunks_expected"], report["chunks"], report["rows"]) == (4, len(left), len(table))
    assert_names(report, gone, bad)

    report = arrowredis.report("verify", prefix, exit=4)
    assert (report["whole"], report["chunks_expected"], report["chunks"]) == (False, 4, len(left))
    assert_names(report, gone, bad)
    shown = arrowredis.run("verify", prefix, exit=4).stdout.decode()
    shown += arrowredis.run("read", "--prefix", prefix, "--allow-missing").stdout.decode()
    for name in gone[:1] + bad:
        assert shown.count(f"'{name}'") >= 2, shown


def assert_names(report, gone, bad):
    assert report["missing"] == gone, report
    assert [damage["key"] for damage in report["damaged"]] == bad, report
    assert all("expected " in damage["what"] and "found " in damage["what"] for damage in report["damaged"])


def flipped(value, bit):
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("seed", range(12))
def test_a_bit_that_flipped(arrowredis, client, prefix, tmp_path, dataset, seed):
    value = dataset[VICTIM]
    client.set(key(prefix, *VICTIM), flipped(value, random.Random(seed).randrange(len(value) * 8)))
    if seed < 4:
        assert_damaged(arrowredis, prefix, tmp_path)
    else:
        message = arrowredis.refused("read", "--prefix", prefix, exit=4)
        expected, found = (manifests.checksum(data) for data in (value, client.get(key(prefix, *VICTIM))))
        assert f"'{key(prefix, *VICTIM)}'" in message, message
        assert f"expected the checksum {expected:016x}, found {found:016x}" in message, message


def test_a_bit_in_padding_that_no_decoder_reads(arrowredis, client, prefix, tmp_path, dataset):
    """What Arrow itself would not see is seen."""
    value = dataset[VICTIM]
    unread = next(
        bit
        for bit in range(len(value) * 8 - 64, 0, -8)
        if value[bit // 8] == 0 and read_stream(flipped(value, bit)).equals(read_stream(value))
    )
    client.set(key(prefix, *VICTIM), flipped(value, unread))
    assert_damaged(arrowredis, prefix, tmp_path)


@pytest.mark.parametrize("change", [-1, -8, -1_000, "half", "all", 1, 8, 1_000_000])
def test_a_value_that_became_shorter_or_longer(arrowredis, client, prefix, tmp_path, dataset, change):
    name, value = key(prefix, *VICTIM), dataset[VICTIM]
    change = {"half": -(len(value) // 2), "all": -len(value)}.get(change, change)
    changed = value[:change] if change < 0 else value + bytes(change)
    client.set(name, changed)
    message = arrowredis.refused("read", "--prefix", prefix, exit=4)
    assert f"expected {len(value)} bytes, found {len(changed)}" in message, message
    assert_damaged(arrowredis, prefix, tmp_path)
    assert arrowredis.report("info", prefix)["state"] == "damaged"


def test_a_second_end_mark(arrowredis, client, prefix, tmp_path, dataset):
    client.append(key(prefix, *VICTIM), dataset[VICTIM][-8:])
    assert_damaged(arrowredis, prefix, tmp_path)


@pytest.mark.parametrize("other", [OTHER, (0, 0)], ids=["of-another-partition", "of-its-partition"])
def test_chunks_that_changed_places(arrowredis, client, prefix, tmp_path, dataset, other):
    """Both are whole, and of this dataset."""
    client.mset({key(prefix, *VICTIM): dataset[other], key(prefix, *other): dataset[VICTIM]})
    assert_damaged(arrowredis, prefix, tmp_path, damaged=sorted([VICTIM, other]))


def test_a_chunk_that_stands_in_another_s_place(arrowredis, client, prefix, tmp_path, dataset):
    client.set(key(prefix, *VICTIM), dataset[OTHER])
    assert_damaged(arrowredis, prefix, tmp_path)


@pytest.mark.parametrize(
    "absent", [[VICTIM], [(0, 0)], [(1, 1)], [(0, 0), (0, 1)], PLACES], ids=["middle", "first", "last", "partition", "all"]
)
def test_chunks_that_are_gone(arrowredis, client, prefix, tmp_path, dataset, absent):
    """Also the last one of a partition, whole partitions, and all: the manifest knows of them."""
    client.delete(*[key(prefix, *place) for place in absent])
    assert_damaged(arrowredis, prefix, tmp_path, damaged=[], absent=absent)
    info = arrowredis.report("info", prefix)
    assert (info["state"], info["absent"], info["missing"]) == ("damaged", len(absent), [key(prefix, *p) for p in absent])


def test_some_are_gone_and_some_are_damaged(arrowredis, client, prefix, tmp_path, dataset):
    client.delete(key(prefix, 1, 0))
    client.set(key(prefix, 1, 1), "not a chunk")
    assert_damaged(arrowredis, prefix, tmp_path, damaged=[(1, 1)], absent=[(1, 0)])


MAKE = {
    "list": lambda client, name: client.rpush(name, "an element"),
    "hash": lambda client, name: client.hset(name, "field", "value"),
    "set": lambda client, name: client.sadd(name, "member"),
    "sorted-set": lambda client, name: client.zadd(name, {"member": 1}),
    "stream": lambda client, name: client.xadd(name, {"field": "value"}),
}


@pytest.mark.parametrize("type", MAKE)
def test_a_key_of_another_type(arrowredis, client, prefix, tmp_path, dataset, type):
    name = key(prefix, *VICTIM)
    client.delete(name)
    MAKE[type](client, name)
    assert_damaged(arrowredis, prefix, tmp_path)


def test_info_shows_a_dataset_with_a_key_of_another_type(arrowredis, client, prefix, dataset):
    """It is what one calls to see what is wrong."""
    client.delete(key(prefix, *VICTIM))
    client.rpush(key(prefix, *VICTIM), "an element")
    info = arrowredis.report("info", prefix)
    assert (info["state"], info["rows"]) == ("damaged", len(LONG))
    assert info["missing"] == [key(prefix, *VICTIM)]


@pytest.mark.parametrize("table", [LONG.slice(1), LONG.select(["n"])], ids=["same-schema", "other-schema"])
def test_another_dataset_s_chunk(arrowredis, client, prefix, tmp_path, dataset, table):
    arrowredis.split(write(in_batches(table, 2_500), tmp_path / "other"), f"{prefix}-other", "--batches", 2)
    client.copy(key(f"{prefix}-other", *VICTIM), key(prefix, *VICTIM), replace=True)
    assert_damaged(arrowredis, prefix, tmp_path)


def test_the_chunk_of_an_older_writing(arrowredis, client, prefix, tmp_path, dataset):
    """Of the same length, so that nothing but the checksum tells it apart."""
    reverse = LONG.set_column(0, "n", pa.array(reversed(range(len(LONG)))))
    old = value_of(in_batches(reverse, 2_500).to_batches()[1])
    arrowredis.split(write(in_batches(reverse, 2_500), tmp_path / "old"), prefix, "--batches", 2, "--replace")
    old = client.get(key(prefix, *VICTIM))
    assert len(old) == len(dataset[VICTIM]) and old != dataset[VICTIM]
    arrowredis.split(tmp_path / "source", prefix, "--batches", 2, "--replace")
    client.set(key(prefix, *VICTIM), old)
    assert_damaged(arrowredis, prefix, tmp_path)


def test_the_manifest_of_an_older_writing(arrowredis, client, prefix, tmp_path, dataset):
    """Whole in itself, and of other chunks than those that are there: no row of either is handed out as the other's."""
    manifest = client.get(manifest_key(prefix))
    arrowredis.split(write(in_batches(LONG.slice(1), 2_500), tmp_path / "new"), prefix, "--batches", 2, "--replace")
    client.set(manifest_key(prefix), manifest)
    assert_damaged(arrowredis, prefix, tmp_path, damaged=PLACES)


def test_what_stands_beside_a_dataset_is_no_part_of_it(arrowredis, client, prefix, dataset):
    """A chunk that the manifest does not list, be it from whomever."""
    for place in [(0, 2), (2, 0)]:
        client.set(key(prefix, *place), dataset[VICTIM])
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG)
    assert arrowredis.report("verify", prefix)["whole"]


def test_a_difference_to_the_file_is_no_damage(arrowredis, prefix, tmp_path, dataset):
    report = arrowredis.report("verify", prefix, write(LONG.slice(1), tmp_path / "other"), "--batches", 2, exit=5)
    assert not report["equal"] and report["difference"]


def test_damage_is_no_difference_to_the_file(arrowredis, client, prefix, tmp_path, dataset):
    client.set(key(prefix, *VICTIM), flipped(dataset[VICTIM], 8 * len(dataset[VICTIM]) // 2))
    message = arrowredis.refused("verify", prefix, tmp_path / "source", "--batches", 2, exit=4)
    assert f"'{key(prefix, *VICTIM)}'" in message, message

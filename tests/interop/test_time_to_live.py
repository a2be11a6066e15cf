"""Datasets that are to live for a while: all their keys die at one instant, and `touch` moves it."""

import time

import pytest

import manifests
from arrow_files import assert_same, read_stream, write
from chunks import keys, manifest_key
from tables import LONG, in_batches

TABLE = in_batches(LONG, 1_000)
# More than any command here takes.
SLACK_MS = 20_000


def expiry(client, prefix):
    """When all keys of the dataset expire: the one instant, or -1."""
    (instant,) = {client.pexpiretime(name) for name in keys(client, prefix)}
    return instant


def assert_expires_in(client, prefix, ms):
    seconds, micros = client.time()
    left = expiry(client, prefix) - (seconds * 1_000 + micros // 1_000)
    assert ms - SLACK_MS < left <= ms


@pytest.fixture
def source(tmp_path):
    return write(TABLE, tmp_path / "source")


@pytest.mark.parametrize(
    ("text", "ms"), [("90s", 90_000), ("15m", 900_000), ("1h", 3_600_000), ("7d", 604_800_000), ("1500000ms", 1_500_000)]
)
def test_all_keys_expire_at_the_same_instant(arrowredis, client, prefix, source, text, ms):
    report = arrowredis.split(source, prefix, "--batches", 3, "--ttl", text)
    assert len(keys(client, prefix)) == 11
    assert_expires_in(client, prefix, ms)
    assert report["time_to_live_seconds"] == ms / 1_000
    assert manifests.published(client, prefix).ttl_ms == ms
    (entry,) = arrowredis.report("ls", prefix)["entries"]
    for found in (entry, arrowredis.report("info", prefix)):
        assert (ms - SLACK_MS) / 1_000 < found["time_to_live_seconds"] <= ms / 1_000


def test_then_nothing_is_left(arrowredis, client, prefix, source):
    """Nor did a reader see a part of it."""
    arrowredis.split(source, prefix, "--ttl", "2s")
    seen = set()
    deadline = time.monotonic() + 20
    while keys(client, prefix) and time.monotonic() < deadline:
        seen.add(client.exists(*keys(client, prefix) or ["none"]))
    assert seen <= {11, 0} and keys(client, prefix) == []
    assert "no chunk" in arrowredis.refused("read", "--prefix", prefix, exit=4)
    arrowredis.split(source, prefix)
    assert expiry(client, prefix) == -1


@pytest.mark.parametrize("text", ["0s", "-1s", "5", "soon", "", "1e3s", "never", "99999999999999999999d"])
def test_times_that_are_none(arrowredis, client, prefix, source, text):
    arrowredis.run("split", "--inp", source, "--prefix", prefix, f"--ttl={text}", exit=2)
    assert keys(client, prefix) == []


@pytest.mark.parametrize("option", ["--replace", "--drop-first"])
@pytest.mark.parametrize(("before", "after"), [("1h", "2h"), ("1h", None), (None, "2h")])
def test_a_replacement_has_a_time_of_its_own(arrowredis, client, prefix, source, before, after, option):
    arrowredis.split(source, prefix, *(["--ttl", before] if before else []))
    arrowredis.split(source, prefix, option, *(["--ttl", after] if after else []))
    if after:
        assert_expires_in(client, prefix, 7_200_000)
    else:
        assert expiry(client, prefix) == -1


def test_touch_begins_the_time_anew(arrowredis, client, prefix, source):
    arrowredis.split(source, prefix, "--ttl", "1h")
    for name in keys(client, prefix):
        client.pexpire(name, 60_000)
    report = arrowredis.report("touch", prefix)
    assert_expires_in(client, prefix, 3_600_000)
    assert (report["dataset"], report["time_to_live_seconds"], report["chunks"]) == (prefix, 3_600, 10)


def test_touch_sets_and_ends_a_time(arrowredis, client, prefix, source):
    arrowredis.split(source, prefix)
    arrowredis.run("touch", prefix, "--ttl", "2h")
    assert_expires_in(client, prefix, 7_200_000)
    arrowredis.run("touch", prefix, "--ttl", "30m")
    assert_expires_in(client, prefix, 1_800_000)
    report = arrowredis.report("touch", prefix, "--ttl", "never")
    assert expiry(client, prefix) == -1
    assert report["time_to_live_seconds"] is None
    assert_same(read_stream(arrowredis.read_to_stdout(prefix)), LONG)


def test_touch_without_a_time_needs_one_to_renew(arrowredis, client, prefix, source):
    arrowredis.split(source, prefix)
    assert "--ttl" in arrowredis.refused("touch", prefix, exit=2)
    assert expiry(client, prefix) == -1


def test_touch_through_an_alias_renews_the_dataset(arrowredis, client, prefix, source):
    arrowredis.split(source, f"{prefix}-data", "--ttl", "1h")
    arrowredis.run("alias", prefix, f"{prefix}-data")
    report = arrowredis.report("touch", prefix, "--ttl", "2h")
    assert report["dataset"] == f"{prefix}-data"
    assert_expires_in(client, f"{prefix}-data", 7_200_000)


def test_touch_renews_chunks_that_are_still_staged(arrowredis, client, prefix, source):
    """As a writer leaves them that dies between commit and tidying."""
    arrowredis.split(source, prefix, "--ttl", "1h")
    id = manifests.published(client, prefix).dataset_id
    for name in keys(client, prefix)[3:]:
        client.rename(name, f"{name}:staged={id}")
    arrowredis.run("touch", prefix, "--ttl", "2h")
    assert_expires_in(client, prefix, 7_200_000)


def test_touch_of_nothing(arrowredis, prefix):
    assert manifest_key(prefix) in arrowredis.refused("touch", prefix, "--ttl", "1h", exit=4)

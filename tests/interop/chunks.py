"""Chunks as anybody finds them in Redis: keys spelled here, not by the command, and their values."""

import re


def key(prefix, partition, batch):
    return f"{prefix}:{{part={partition:05}}}:batch={batch:05}"


def manifest_key(prefix):
    return f"{prefix}:manifest"


def store(client, prefix, values):
    """Stores values under (partition, batch)."""
    client.mset({key(prefix, *place): value for place, value in values.items()})


def keys(client, prefix):
    """All keys that begin with the prefix: chunks, the manifest, and whatever else was left there."""
    pattern = re.sub(r"([][*?\\^-])", r"\\\1", prefix)
    return sorted({key.decode() for key in client.scan_iter(f"{pattern}:*", count=10_000)})


def stored(client, prefix):
    """The chunks of a published dataset in reading order; its manifest, and no other key, is beside them."""
    found = keys(client, prefix)
    assert manifest_key(prefix) in found, found
    found.remove(manifest_key(prefix))
    return dict(zip(found, client.mget(found), strict=True))

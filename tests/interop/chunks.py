"""Chunks as anybody finds them in Redis: keys spelled here, not by the command, and their values."""


def key(prefix, partition, batch):
    return f"{prefix}:{{part={partition:05}}}:batch={batch:05}"


def store(client, prefix, values):
    """Stores values under (partition, batch)."""
    client.mset({key(prefix, *place): value for place, value in values.items()})


def stored(client, prefix):
    """All keys that begin with the prefix, in reading order, with their values."""
    keys = sorted(key.decode() for key in client.scan_iter(f"{prefix}:*", count=10_000))
    return dict(zip(keys, client.mget(keys), strict=True)) if keys else {}

"""polars-redis: a whole frame cached and fetched with its own functions.

    polars_cache split FILE URL KEY CODEC
    polars_cache read URL KEY

`split` reads the file, as every peer does; `store_seconds` is the part that a user spends who has the
frame in memory already.
"""

import sys
import time

import polars as pl
import polars_redis

from suite.peers.answer import answer

# Below its default of 100 MB, at which its client gives up now and then: it waits for half a second.
CHUNK_MB = 32


def split(path, url, key, codec):
    start = time.perf_counter()
    frame = pl.read_ipc(path)
    read = time.perf_counter()
    stored = polars_redis.cache_dataframe(
        frame, url, key, compression=codec, chunk_size_mb=CHUNK_MB
    )
    end = time.perf_counter()
    answer(end - start, frame.height, stored, store_seconds=end - read)


def read(url, key):
    start = time.perf_counter()
    frame = polars_redis.get_cached_dataframe(url, key)
    seconds = time.perf_counter() - start
    answer(seconds, 0 if frame is None else frame.height)


def main():
    match sys.argv[1:]:
        case ["split", path, url, key, codec]:
            split(path, url, key, codec)
        case ["read", url, key]:
            read(url, key)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()

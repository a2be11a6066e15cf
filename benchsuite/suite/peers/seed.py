"""The design of the Python original, written anew from its description.

    seed gen FILE PARTITIONS BATCHES ROWS CODEC objects|vectors
    seed split FILE URL PREFIX BATCHES CODEC
    seed read URL PREFIX PARTITIONS BATCHES

redis-py with asyncio, hiredis and uvloop; pyarrow encodes and parses; a pool of processes generates.
`split` encodes every batch anew as an IPC stream of its own, with up to 256 SETs on their way;
`read` fetches with MGET and parses on threads. The pool of connections never runs dry.
"""

import asyncio
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import asynccontextmanager

import pyarrow as pa
import pyarrow.ipc as ipc
import redis.asyncio as redis
import uvloop

from suite.peers.answer import answer
from suite.peers.seed_columns import batch, vocabulary

CONNECTIONS = 1024
MAX_INFLIGHT = 256
CONCURRENCY = 256
KEYS_PER_MGET = 64
PARSED_AT_ONCE = 8
GATHERED_AT_ONCE = 100
SEED = 123


def codec(name, use_threads=True):
    compression = None if name == "uncompressed" else name
    return ipc.IpcWriteOptions(compression=compression, use_threads=use_threads)


def key(prefix, partition, index):
    return f"{prefix}:{{part={partition:05}}}:batch={index:05}"


# gen


def _encoded_batch(arguments):
    made = batch(*arguments)
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, made.schema) as writer:
        writer.write_batch(made)
    return memoryview(sink.getvalue()).tobytes()


def generate(path, partitions, batches, rows, compression, way):
    words = vocabulary(SEED)
    chunks = [
        (way, SEED, words, partition, index, batches, rows)
        for partition in range(partitions)
        for index in range(batches)
    ]
    start = time.perf_counter()
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        writer = None
        total = 0
        for encoded in pool.map(_encoded_batch, chunks):
            for made in ipc.open_stream(encoded):
                if writer is None:
                    writer = ipc.new_file(path, made.schema, options=codec(compression))
                writer.write_batch(made)
                total += made.num_rows
        writer.close()
    answer(time.perf_counter() - start, total, os.path.getsize(path))


# split


@asynccontextmanager
async def connected(url):
    pool = redis.ConnectionPool.from_url(url, max_connections=CONNECTIONS)
    client = redis.Redis(connection_pool=pool)
    try:
        yield client
    finally:
        await client.aclose()
        await pool.disconnect()


def _stream_of(made, options):
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, made.schema, options=options) as writer:
        writer.write_batch(made)
    return sink.getvalue()


async def split(path, url, prefix, batches, compression):
    # A thread a core encodes and one decodes: faster than with pyarrow's own threads beside them.
    options = codec(compression, use_threads=False)
    threads = ThreadPoolExecutor(os.cpu_count() + 1)
    decoding = asyncio.Lock()
    loop = asyncio.get_running_loop()
    inflight = asyncio.Semaphore(MAX_INFLIGHT)
    start = time.perf_counter()
    async with connected(url) as client:

        async def store(reader, at):
            async with inflight:
                async with decoding:
                    made = await loop.run_in_executor(threads, reader.get_batch, at)
                value = await loop.run_in_executor(threads, _stream_of, made, options)
                await client.set(key(prefix, *divmod(at, batches)), memoryview(value))
            return made.num_rows, value.size

        stored = []
        with pa.memory_map(path) as source:
            reader = ipc.open_file(source, options=ipc.IpcReadOptions(use_threads=False))
            for first in range(0, reader.num_record_batches, GATHERED_AT_ONCE):
                last = min(first + GATHERED_AT_ONCE, reader.num_record_batches)
                stored += await asyncio.gather(*(store(reader, at) for at in range(first, last)))
    seconds = time.perf_counter() - start
    answer(seconds, sum(rows for rows, _ in stored), sum(size for _, size in stored))


# read


def _parse(values):
    return [ipc.open_stream(pa.py_buffer(value)).read_all() for value in values]


async def read(url, prefix, partitions, batches):
    keys = [key(prefix, part, index) for part in range(partitions) for index in range(batches)]
    threads = ThreadPoolExecutor(os.cpu_count())
    loop = asyncio.get_running_loop()
    limit = asyncio.Semaphore(CONCURRENCY)
    start = time.perf_counter()
    async with connected(url) as client:

        async def fetch(some):
            async with limit:
                values = await client.mget(some)
            present = [value for value in values if value is not None]
            jobs = [
                loop.run_in_executor(threads, _parse, present[at : at + PARSED_AT_ONCE])
                for at in range(0, len(present), PARSED_AT_ONCE)
            ]
            return sum(map(len, present)), await asyncio.gather(*jobs)

        parts = await asyncio.gather(
            *(fetch(keys[at : at + KEYS_PER_MGET]) for at in range(0, len(keys), KEYS_PER_MGET))
        )
    table = pa.concat_tables([table for _, jobs in parts for tables in jobs for table in tables])
    seconds = time.perf_counter() - start
    answer(seconds, table.num_rows, sum(size for size, _ in parts))


def main():
    match sys.argv[1:]:
        case ["gen", path, partitions, batches, rows, compression, way]:
            generate(path, int(partitions), int(batches), int(rows), compression, way)
        case ["split", path, url, prefix, batches, compression]:
            uvloop.run(split(path, url, prefix, int(batches), compression))
        case ["read", url, prefix, partitions, batches]:
            uvloop.run(read(url, prefix, int(partitions), int(batches)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()

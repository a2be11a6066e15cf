"""The ten columns of the synthetic dataset, made with numpy in one of two ways.

`objects` builds decimals and lists as Python objects, value by value, as the original did: that is
where its time went. `vectors` makes the same columns from whole numpy arrays, which is the fastest
that we know to write in Python.
"""

from decimal import Decimal

import numpy as np
import pyarrow as pa

FIRST_TIMESTAMP = 1_704_067_200_000_000_000
THIRTY_DAYS = 30 * 24 * 3600 * 1_000_000_000
DECIMAL_REACH = 1_000_000 * 10_000
LONGEST_LIST = 5
LIST_VALUES = 1_000
WORDS = 5_000
WORD_LENGTH = 8
DECIMAL = pa.decimal128(18, 4)


def vocabulary(seed):
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", dtype="S1")
    picked = np.random.default_rng(seed).choice(letters, size=(WORDS, WORD_LENGTH))
    return pa.array(picked.view(f"S{WORD_LENGTH}").ravel().astype(str))


def batch(way, seed, words, partition, index, batches, rows):
    random = np.random.default_rng([seed, partition, index])
    first = (partition * batches + index) * rows
    decimals, lists = {"objects": _objects, "vectors": _vectors}[way](random, rows)
    columns = {
        "id64": pa.array(np.arange(first, first + rows, dtype=np.int64)),
        "partition": pa.array(np.full(rows, partition, dtype=np.int32)),
        "int32_c": pa.array(random.integers(-1_000_000, 1_000_001, rows, dtype=np.int32)),
        "float64_c": pa.array(random.standard_normal(rows)),
        "float32_c": pa.array(random.standard_normal(rows, dtype=np.float32)),
        "bool_c": pa.array(random.integers(0, 2, rows, dtype=np.uint8).astype(bool)),
        "ts_ns": pa.array(
            FIRST_TIMESTAMP + random.integers(0, THIRTY_DAYS, rows), pa.timestamp("ns")
        ),
        "dec_18_4": decimals,
        "str_c": pa.DictionaryArray.from_arrays(
            random.integers(0, len(words), rows, dtype=np.int32), words
        ),
        "list_ints": lists,
    }
    return pa.record_batch(columns)


def _objects(random, rows):
    units = random.integers(-DECIMAL_REACH, DECIMAL_REACH + 1, rows)
    decimals = pa.array([Decimal(unit).scaleb(-4) for unit in units.tolist()], DECIMAL)
    lengths = random.integers(0, LONGEST_LIST + 1, rows).tolist()
    values = random.integers(0, LIST_VALUES, sum(lengths), dtype=np.int32).tolist()
    lists, start = [], 0
    for length in lengths:
        lists.append(values[start : start + length])
        start += length
    return decimals, pa.array(lists, pa.list_(pa.int32()))


def _vectors(random, rows):
    units = random.integers(-DECIMAL_REACH, DECIMAL_REACH + 1, rows)
    # A decimal is 16 bytes, the low half first; the high half repeats the sign.
    halves = np.stack([units, units >> 63], axis=1)
    decimals = pa.Array.from_buffers(DECIMAL, rows, [None, pa.py_buffer(halves)])
    offsets = np.zeros(rows + 1, dtype=np.int32)
    np.cumsum(random.integers(0, LONGEST_LIST + 1, rows), out=offsets[1:])
    values = random.integers(0, LIST_VALUES, int(offsets[-1]), dtype=np.int32)
    return decimals, pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))

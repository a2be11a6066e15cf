"""The tables that pyarrow writes for the suite: one for each type and for each shape of nesting.

`PRIMITIVE`, `NESTED`, `DICTIONARY` and `SHAPES` map a readable name to a table. Every column is called
"v" unless its name is the point. All but those in `SHAPES` come in batches of some rows, of none, and
of the rest, which is a slice that begins inside a buffer.
"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa

N = None


def column(array, field=None):
    """A table of one column in three batches: some rows, none, the rest."""
    field = field or pa.field("v", array.type)
    batch = pa.record_batch([array], schema=pa.schema([field]))
    cut = len(array) // 2 + 1
    return pa.Table.from_batches([batch.slice(0, cut), batch.slice(cut, 0), batch.slice(cut)])


def values(items, type):
    return column(pa.array(items, type))


def integers(type, least, most):
    return values([0, least, N, most, 1, N], type)


DAY = date(2024, 2, 29)
NOON = datetime(2024, 2, 29, 12, 30, 45)
TEXTS = ["", "a", N, "größe", "日本語 more than twelve bytes", N, "\0", "x" * 300]
BYTES = [b"", b"\0", N, b"\xff\xfe", b"more than twelve bytes", N, b"a", b"x" * 300]
LISTS = [[1, N, 3], [], N, [4], [5, 6], N, [N]]


def decimals(type, most):
    return values([Decimal("0.00"), Decimal(most), N, Decimal(most).copy_negate(), Decimal("1.50"), N], type)


PRIMITIVE = {
    "null": values([N] * 5, pa.null()),
    "bool": values([True, N, False, True, True, N, False, True, False, N, True], pa.bool_()),
    "int8": integers(pa.int8(), -(2**7), 2**7 - 1),
    "int16": integers(pa.int16(), -(2**15), 2**15 - 1),
    "int32": integers(pa.int32(), -(2**31), 2**31 - 1),
    "int64": integers(pa.int64(), -(2**63), 2**63 - 1),
    "uint8": integers(pa.uint8(), 0, 2**8 - 1),
    "uint16": integers(pa.uint16(), 0, 2**16 - 1),
    "uint32": integers(pa.uint32(), 0, 2**32 - 1),
    "uint64": integers(pa.uint64(), 0, 2**64 - 1),
    "float16": values([0.0, -1.5, N, 65504.0, float("inf"), N], pa.float16()),
    "float32": values([0.0, -1.5, N, 3e38, float("-inf"), N], pa.float32()),
    "float64": values([0.0, -1.5, N, 1e308, 5e-324, N], pa.float64()),
    "decimal32": decimals(pa.decimal32(9, 2), "9999999.99"),
    "decimal64": decimals(pa.decimal64(18, 2), "9" * 16 + ".99"),
    "decimal128": decimals(pa.decimal128(38, 2), "9" * 36 + ".99"),
    "decimal256": decimals(pa.decimal256(76, 2), "9" * 74 + ".99"),
    "decimal-negative-scale": values([Decimal("1200"), N, Decimal("-300")], pa.decimal128(5, -2)),
    "date32": values([DAY, N, date(1, 1, 1), date(9999, 12, 31)], pa.date32()),
    "date64": values([DAY, N, date(1, 1, 1), date(9999, 12, 31)], pa.date64()),
    "time32-s": values([time(0), N, time(23, 59, 59)], pa.time32("s")),
    "time32-ms": values([time(0), N, time(23, 59, 59, 999000)], pa.time32("ms")),
    "time64-us": values([time(0), N, time(23, 59, 59, 999999)], pa.time64("us")),
    "time64-ns": values([0, N, 86_399_999_999_999], pa.time64("ns")),
    "timestamp-s": values([NOON, N, datetime(1, 1, 1)], pa.timestamp("s")),
    "timestamp-ms": values([NOON, N, datetime(1, 1, 1)], pa.timestamp("ms")),
    "timestamp-us": values([NOON, N, datetime(1, 1, 1)], pa.timestamp("us")),
    "timestamp-ns": values([1, N, -(2**63)], pa.timestamp("ns")),
    "timestamp-utc": values([1, N, -1], pa.timestamp("us", "UTC")),
    "timestamp-zone": values([1, N, -1], pa.timestamp("ns", "America/Argentina/Ushuaia")),
    "timestamp-offset": values([1, N, -1], pa.timestamp("ms", "+05:30")),
    "duration-s": values([timedelta(1), N, timedelta(-1)], pa.duration("s")),
    "duration-ms": values([timedelta(1), N, timedelta(-1)], pa.duration("ms")),
    "duration-us": values([timedelta(1), N, timedelta(-1)], pa.duration("us")),
    "duration-ns": values([2**63 - 1, N, -(2**63)], pa.duration("ns")),
    "interval": values([(1, -2, 3), N, (-(2**31), 2**31 - 1, 2**63 - 1)], pa.month_day_nano_interval()),
    "string": values(TEXTS, pa.string()),
    "large-string": values(TEXTS, pa.large_string()),
    "string-view": values(TEXTS, pa.string_view()),
    "binary": values(BYTES, pa.binary()),
    "large-binary": values(BYTES, pa.large_binary()),
    "binary-view": values(BYTES, pa.binary_view()),
    "fixed-size-binary": values([b"abc", N, b"\0\0\0", b"xyz"], pa.binary(3)),
}


def sparse_union():
    types = pa.array([0, 1, 2, 0, 1], pa.int8())
    numbers = pa.array([1, N, N, N, 5], pa.int32())
    texts = pa.array([N, "two", "", N, "five"])
    lists = pa.array([N, [1], [2, N], [], N], pa.list_(pa.int8()))
    return pa.UnionArray.from_sparse(types, [numbers, texts, lists], ["n", "t", "l"])


def dense_union(codes=(0, 1)):
    types = pa.array([codes[i] for i in [0, 1, 1, 0, 1, 0]], pa.int8())
    offsets = pa.array([0, 0, 1, 1, 2, 2], pa.int32())
    children = [pa.array([1, N, 3], pa.int64()), pa.array(["one", "", N])]
    return pa.UnionArray.from_dense(types, offsets, children, ["n", "t"], list(codes))


def list_view(type, offset_type):
    """A list view whose lists share values and lie out of order."""
    offsets, sizes = pa.array([4, 0, 0, 2, 1], offset_type), pa.array([1, 3, 0, 3, 2], offset_type)
    items = pa.array([1, N, 3, 4, 5], pa.int16())
    return type.from_arrays(offsets, sizes, items, mask=pa.array([False, False, True, False, False]))


def run_ends(type, items=("a", N, "b")):
    ends = pa.array([2, 3, 6], type)
    return pa.RunEndEncodedArray.from_arrays(ends, pa.array(items))


POINT = pa.struct([pa.field("x", pa.int32(), nullable=False), ("y", pa.string())])
POINTS = [{"x": 1, "y": "a"}, N, {"x": 2, "y": N}, {"x": 3, "y": ""}, N, {"x": 4, "y": "d"}]
DEEP = pa.list_(pa.struct([("m", pa.map_(pa.string(), pa.list_(POINT))), ("n", pa.null())]))
DEEP_ITEMS = [
    [{"m": [("k", [POINTS[0], N]), ("l", N)], "n": N}, N],
    N,
    [],
    [{"m": N, "n": N}],
    [{"m": [], "n": N}, {"m": [("z", [])], "n": N}],
]
METADATA_ITEM = pa.field("item", pa.int32(), nullable=False, metadata={"unit": "m"})

NESTED = {
    "list": values(LISTS, pa.list_(pa.int32())),
    "large-list": values(LISTS, pa.large_list(pa.int32())),
    "list-named-item": values([[1], [], N, [2, 3]], pa.list_(METADATA_ITEM.with_name("element"))),
    "list-of-list": values([[LISTS[0], N], [], N, [[], [7]]], pa.list_(pa.list_(pa.int8()))),
    "fixed-size-list": values([[1, 2], N, [N, 4], [5, 6]], pa.list_(pa.int32(), 2)),
    "fixed-size-list-of-0": values([[], N, [], []], pa.list_(pa.int32(), 0)),
    "list-view": column(list_view(pa.ListViewArray, pa.int32())),
    "large-list-view": column(list_view(pa.LargeListViewArray, pa.int64())),
    "struct": values(POINTS, POINT),
    "struct-without-fields": values([{}, N, {}, {}], pa.struct([])),
    "map": values([[("a", 1), ("b", N)], [], N, [("c", 3)]], pa.map_(pa.string(), pa.int32())),
    "map-sorted": values([[("a", 1), ("b", N)], N], pa.map_(pa.string(), pa.int32(), keys_sorted=True)),
    "sparse-union": column(sparse_union()),
    "dense-union": column(dense_union()),
    "dense-union-codes": column(dense_union(codes=(5, 42))),
    "run-ends-int16": column(run_ends(pa.int16())),
    "run-ends-int32": column(run_ends(pa.int32())),
    "run-ends-int64": column(run_ends(pa.int64())),
    "struct-of-union": column(pa.StructArray.from_arrays([dense_union(), run_ends(pa.int32())], ["u", "r"])),
    "list-of-views": values([["", "a longer text than fits"], N, [N, "b"]], pa.list_(pa.string_view())),
    "list-of-struct-of-map": values(DEEP_ITEMS, DEEP),
}


def encoded(items, index_type=pa.int32(), value_type=pa.string(), ordered=False):
    return (
        pa.array(items, value_type).dictionary_encode().cast(pa.dictionary(index_type, value_type, ordered))
    )


def keyed(keys, dictionary, key_type=pa.int8()):
    return pa.DictionaryArray.from_arrays(pa.array(keys, key_type), dictionary)


def list_of(items):
    """[[0, 1], [], null, [2], [3, 4]] of five items."""
    return pa.ListArray.from_arrays(pa.array([0, 2, 2, N, 3, 5], pa.int32())[:6], items)


def dictionary_arrays(a, b, c):
    """Dictionary-encoded arrays by name; other words give arrays of the same types, other dictionaries."""
    items = [a, b, N, a, c, b]
    five = encoded(items[:5])
    numbers = encoded([ord(a), N, ord(b), ord(a), ord(c)], pa.uint8(), pa.int64())
    structs = pa.StructArray.from_arrays([encoded([a, N, b]), pa.array([ord(a), ord(b), N])], ["s", "n"])
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 2, 3], pa.int32()), encoded([a, N, c]))
    inner = pa.StructArray.from_arrays(
        [keyed([1, 0, 1], structs.slice(0, 2)), encoded([c, b, c])], ["x", "y"]
    )
    views = pa.array([a, f"{b} longer than twelve bytes"], pa.string_view())
    union_codes, union_places = pa.array([0, 1, 0, 0], pa.int8()), pa.array([0, 0, 1, 3], pa.int32())
    return {
        "int8-keys": encoded(items, pa.int8()),
        "int16-keys": encoded(items, pa.int16()),
        "int32-keys": encoded(items, pa.int32()),
        "int64-keys": encoded(items, pa.int64()),
        "uint8-keys": encoded(items, pa.uint8()),
        "uint16-keys": encoded(items, pa.uint16()),
        "uint32-keys": encoded(items, pa.uint32()),
        "uint64-keys": encoded(items, pa.uint64()),
        "ordered": encoded(items, pa.int8(), ordered=True),
        "of-int": numbers,
        "of-float": encoded([float(ord(a)), N, 0.5], value_type=pa.float64()),
        "of-bool": keyed([0, 1, N, 0], pa.array([a < b, b < a])),
        "of-null": keyed([0, N, 0], pa.nulls(1)),
        "of-decimal": keyed([0, N, 0], pa.array([Decimal(ord(a))], pa.decimal128(10, 2))),
        "of-timestamp": keyed([0, N, 0], pa.array([ord(a)], pa.timestamp("us"))),
        "of-large-string": encoded(items, value_type=pa.large_string()),
        "of-bytes": encoded([a.encode(), N, b"", a.encode()], value_type=pa.binary()),
        "of-fixed-size-bytes": keyed([1, N, 0], pa.array([a.encode(), b.encode()], pa.binary(1))),
        "of-views": keyed([0, N, 1, 0], views),
        "with-null-value": keyed([0, 1, N, 1, 2], pa.array([a, N, b])),
        "with-repeats": keyed([0, 1, 2, 1], pa.array([a, a, b])),
        "without-values": keyed([N, N, N], pa.array([], pa.string())),
        "of-list": keyed([1, 0, N, 1], pa.array([[ord(a), N], []], pa.list_(pa.int32()))),
        "of-struct": keyed([1, 0, N, 1], pa.array([{"x": ord(a), "y": a}, N], POINT)),
        "of-map": keyed([1, 0, N, 1], pa.array([[(a, 1)], []], pa.map_(pa.string(), pa.int32()))),
        "of-dense-union": keyed([1, 0, N, 5], dense_union()),
        "of-run-ends": keyed([1, 0, N, 5], run_ends(pa.int32(), (a, N, b))),
        "in-list": list_of(five),
        "in-struct": pa.StructArray.from_arrays([five, numbers], ["a", "b"]),
        "in-fixed-size-list": pa.FixedSizeListArray.from_arrays(encoded(items), 2),
        "in-list-view": pa.ListViewArray.from_arrays(
            pa.array([3, 0], pa.int32()), pa.array([2, 3], pa.int32()), five
        ),
        "in-map-values": pa.MapArray.from_arrays(
            pa.array([0, 1, 1, 3], pa.int32()), pa.array(["k", "l", "m"]), encoded([a, N, b])
        ),
        "in-map-keys": pa.MapArray.from_arrays(
            pa.array([0, 1, 1, 3], pa.int32()), encoded([a, b, c]), pa.array([1, N, 2])
        ),
        "in-sparse-union": pa.UnionArray.from_sparse(pa.array([0, 1, 0, 1, 0], pa.int8()), [five, numbers]),
        "in-dense-union": pa.UnionArray.from_dense(union_codes, union_places, [five, pa.array([1])]),
        "in-run-ends": run_ends(pa.int32(), items=encoded([a, N, b])),
        "in-struct-in-dictionary": keyed([2, N, 0, 1, 2], structs),
        "in-list-in-dictionary": keyed([2, N, 0, 1, 2], lists),
        "in-dictionary-in-dictionary": keyed([2, N, 0, 1, 2], inner),
    }


DICTIONARY = {name: column(array) for name, array in dictionary_arrays("a", "b", "c").items()}


def without_columns(rows):
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))


def in_batches(table, rows):
    return pa.Table.from_batches(table.to_batches(max_chunksize=rows), table.schema)


SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False, metadata={"unit": "none", "größe": "日本"}),
        pa.field("list", pa.list_(METADATA_ITEM), metadata={"": "empty key"}),
        pa.field("tag", pa.dictionary(pa.int8(), pa.string()), metadata={"of": "a dictionary"}),
    ],
    metadata={"origin": "interop", "empty": "", "pandas": '{"columns": []}'},
)
ROWS = [{"id": i, "list": [i], "tag": "ab"[i % 2]} for i in range(5)]
EXTENSION = pa.field(
    "v", pa.int32(), metadata={"ARROW:extension:name": "org.example", "ARROW:extension:metadata": "{}"}
)
OPAQUE = pa.opaque(pa.binary(), "geometry", "interop")
ALL_TYPES = pa.table(
    {name: table["v"].slice(0, 2).combine_chunks() for name, table in (PRIMITIVE | NESTED).items()}
)
LONG = pa.table({"n": pa.array(range(10_000)), "t": pa.array([str(i) * (i % 5) for i in range(10_000)])})

SHAPES = {
    "metadata": in_batches(pa.Table.from_pylist(ROWS, SCHEMA), 2),
    "no-batches": pa.Table.from_batches([], SCHEMA),
    "no-batches-of-any-type": pa.Table.from_batches([], ALL_TYPES.schema),
    "no-columns": pa.Table.from_batches([without_columns(5)]),
    "no-columns-no-batches": pa.Table.from_batches([], pa.schema([], metadata={"k": "v"})),
    "nulls-everywhere": pa.table(
        {
            field.name: pa.nulls(3, field.type)
            for field in ALL_TYPES.schema
            if "union" not in field.name and "run" not in field.name
        }
    ),
    "names": pa.Table.from_arrays([pa.array([i]) for i in range(5)], ["", "a", "a", "größe", "x" * 1000]),
    "all-types": ALL_TYPES,
    "extension-metadata": column(pa.array([1, N, 2], pa.int32()), EXTENSION),
    "uuid": column(pa.array([bytes(range(16)), N], pa.uuid())),
    "bool8": column(pa.ExtensionArray.from_storage(pa.bool8(), pa.array([0, 1, N], pa.int8()))),
    "opaque": column(pa.ExtensionArray.from_storage(OPAQUE, pa.array([b"a", N], pa.binary()))),
    "json": column(pa.array(['{"a": 1}', N], pa.json_())),
    "fixed-shape-tensor": column(
        pa.FixedShapeTensorArray.from_storage(
            pa.fixed_shape_tensor(pa.int32(), (2,)), pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2))
        )
    ),
    "many-columns": pa.table({f"c{i}": [i, N] for i in range(1000)}),
    "many-batches": in_batches(LONG, 100),
    "one-large-batch": LONG,
    "sliced-inside-a-byte": pa.Table.from_batches(
        [pa.record_batch({"b": [True, N, False] * 7, "n": list(range(21))}).slice(3, 11)]
    ),
}

"""What is run: every command of every peer, what it is compared under, and in which order.

A lane is one peer's way with one kind of data, and begins on an empty server: what it stores, it
reads. A block is the lanes that are compared with each other; they take turns in every round.
"""

from dataclasses import dataclass, field
from pathlib import Path

CODECS = ("uncompressed", "lz4", "zstd")
ZSTD_LEVEL = 1

OURS = "ArrowRedis"
# Ours, after the original's description; the original itself is slower (README.md).
SEED = "Python peer"
SEED_VECTORS = "Python peer, numpy"
POLARS = "polars-redis"
OPENDAL = "OpenDAL"
DISK_MAPPED = "local file, mapped"
DISK_PLAIN = "local file, read"
FLIGHT = "Arrow Flight"
# Not peers: what the machine allows. Several settings of one are told apart by what follows.
GET = "GET alone"
SET = "SET alone"
OVERWRITE = "SET alone, over old values"
FORWARD = "SET out of the file"
DECOMPRESS = "decompression alone"
COMPRESS = "compression alone"
BOUNDS = (GET, SET, OVERWRITE, FORWARD, DECOMPRESS, COMPRESS)

# Values that are on their way when they are read from a file, over one connection.
FORWARD_WINDOW = 4
# Connections and requests that are on their way over each.
CEILING_SETTINGS = ((1, 2), (1, 4), (1, 16), (2, 4))
SMALL_CEILING_SETTINGS = ((1, 4), (1, 64))
STARTS = 20


@dataclass(frozen=True)
class Shape:
    partitions: int
    batches: int
    rows_each: int

    @property
    def rows(self):
        return self.partitions * self.batches * self.rows_each

    @property
    def chunks(self):
        return self.partitions * self.batches

    def keys(self, prefix):
        return [
            f"{prefix}:{{part={partition:05}}}:batch={batch:05}"
            for partition in range(self.partitions)
            for batch in range(self.batches)
        ]


TABLE = Shape(8, 8, 50_000)
SMALL_CHUNKS = Shape(40, 100, 1_000)
GIGABYTE = Shape(16, 18, 50_000)


@dataclass(frozen=True)
class Step:
    work: str
    peer: str
    argv: list
    stdin: str = ""
    # What the peer must say it handled; None if it does not count.
    rows: int | None = None
    stored_bytes: int | None = None
    # Whether its output is the data itself.
    discard_output: bool = False
    # The file that it makes, which is not there before: some file systems write the data of one that is
    # replaced to the disk at once.
    makes: str = ""
    # How often it is tried before it fails the run. Failed attempts are reported.
    attempts: int = 1


@dataclass(frozen=True)
class Lane:
    steps: list
    # In how many of the rounds it takes part, if not in all: for what takes long, or varies little.
    rounds: int | None = None
    repeat: int = 1


@dataclass(frozen=True)
class Block:
    name: str
    lanes: list = field(default_factory=list)

    def without(self, peers):
        kept = [lane for lane in self.lanes if lane.steps[0].peer not in peers]
        return Block(self.name, kept)


@dataclass(frozen=True)
class Tools:
    """Where the programs are, which server is used, and what was prepared."""

    arrowredis: str
    ceiling: str
    opendal: str
    python: str
    address: str
    url: str
    flight_port: int
    data: Path
    # The length of each chunk, by the name of the file that it comes from.
    sizes: dict

    def file(self, name):
        return str(self.data / f"{name}.arrow")

    def peer(self, module, *arguments):
        return [self.python, "-m", f"suite.peers.{module}", *map(str, arguments)]

    def generate(self, out, shape, codec):
        sizes = ["--partitions", shape.partitions, "--batches", shape.batches]
        sizes += ["--rows", shape.rows_each]
        more = ["--compression", codec, "--dict-strings", "--json"]
        return [self.arrowredis, "gen", "--out", out, *map(str, sizes), *more]

    def split(self, name, codec="keep"):
        inp = ["--inp", self.file(name), "--compression", codec]
        return [self.arrowredis, "split", *inp, *self._ours()]

    def read(self):
        return [self.arrowredis, "read", *self._ours()]

    def read_to_file(self, name):
        return [*self.read(), "--out", self.file(name)]

    def read_to_stream(self):
        named = ["--redis-url", self.url, "--prefix", "ours"]
        return [self.arrowredis, "read", *named, "--out", "-", "--quiet"]

    def _ours(self):
        return ["--redis-url", self.url, "--prefix", "ours", "--json"]


def blocks(tools):
    return [
        *(_generation(tools, codec) for codec in ("zstd", "uncompressed")),
        *(_table(tools, codec) for codec in CODECS),
        _encoding_anew(tools),
        _small_chunks(tools),
        _memory(tools),
        _start(tools),
    ]


def _generation(tools, codec):
    work, out = f"gen {codec}", tools.file("made")
    shape = [TABLE.partitions, TABLE.batches, TABLE.rows_each, codec]

    def python(peer, way):
        argv = tools.peer("seed", "gen", out, *shape, way)
        return [Step(work, peer, argv, rows=TABLE.rows, makes=out)]

    lanes = [
        Lane([Step(work, OURS, tools.generate(out, TABLE, codec), rows=TABLE.rows, makes=out)]),
        # It takes ten seconds and more.
        Lane(python(SEED, "objects"), rounds=3),
        Lane(python(SEED_VECTORS, "vectors")),
    ]
    if codec == "zstd":
        lanes.append(Lane([_compression(tools, work)]))
    return Block(work, lanes)


def _compression(tools, work):
    argv = [tools.ceiling, "compress", tools.file("uncompressed"), str(ZSTD_LEVEL)]
    return Step(work, COMPRESS, argv)


def _table(tools, codec):
    split, read, file = f"split {codec}", f"read {codec}", tools.file(codec)
    rows = TABLE.rows
    # Its client gives up when a reply takes half a second, which another process can cause.
    stored = tools.peer("polars_cache", "split", file, tools.url, "polars", codec)
    fetched = tools.peer("polars_cache", "read", tools.url, "polars")
    through_opendal = [tools.opendal, "split", file, tools.address, "opendal", codec]
    from_opendal = [tools.opendal, "read", tools.address, "opendal", str(TABLE.chunks)]
    flight = tools.peer("flight", "read", tools.flight_port)
    lanes = [
        Lane([
            Step(split, OURS, tools.split(codec), rows=rows),
            Step(read, OURS, tools.read(), rows=rows),
        ]),
        Lane(_seed(tools, TABLE, split, read, codec, codec)),
        Lane([
            Step(split, POLARS, stored, rows=rows, attempts=3),
            Step(read, POLARS, fetched, rows=rows, attempts=3),
        ]),
        Lane([
            Step(split, OPENDAL, through_opendal, rows=rows),
            Step(read, OPENDAL, from_opendal, rows=rows),
        ]),
        Lane([
            Step(read, DISK_MAPPED, tools.peer("disk", file, "mapped"), rows=rows),
            Step(read, DISK_PLAIN, tools.peer("disk", file, "plain"), rows=rows),
        ]),
        *_ceilings(tools, TABLE, split, read, codec),
    ]
    if codec == "uncompressed":
        lanes.append(Lane([Step(read, FLIGHT, flight, rows=rows)]))
    else:
        lanes.append(Lane([Step(read, DECOMPRESS, [tools.ceiling, "decompress", file])]))
    return Block(f"table {codec}", lanes)


def _seed(tools, shape, split, read, file, codec):
    name = [tools.file(file), tools.url, "seed", shape.batches]
    stored = tools.peer("seed", "split", *name, codec)
    fetched = tools.peer("seed", "read", tools.url, "seed", shape.partitions, shape.batches)
    return [
        Step(split, SEED, stored, rows=shape.rows),
        Step(read, SEED, fetched, rows=shape.rows),
    ]


def _ceilings(tools, shape, split, read, file, settings=CEILING_SETTINGS):
    keys, sizes = shape.keys("ceiling"), tools.sizes[file]
    values = "".join(f"{key} {size}\n" for key, size in zip(keys, sizes, strict=True))
    wanted = "".join(f"{key}\n" for key in keys)
    total = sum(sizes)
    for connections, window in settings:
        setting = f", {connections} × {window}"
        where = [tools.address, str(connections), str(window)]
        store = [tools.ceiling, "set", *where]
        yield Lane([
            Step(split, SET + setting, store, values, stored_bytes=total),
            Step(split, OVERWRITE + setting, store, values, stored_bytes=total),
            Step(read, GET + setting, [tools.ceiling, "get", *where], wanted, stored_bytes=total),
        ])
    forward = [tools.ceiling, "forward", tools.address, str(FORWARD_WINDOW), tools.file(file)]
    yield Lane([Step(split, FORWARD, forward, values, stored_bytes=total)])


def _encoding_anew(tools):
    work = "split to zstd"
    return Block(work, [
        Lane([Step(work, OURS, tools.split("uncompressed", "zstd"), rows=TABLE.rows)]),
        Lane([_compression(tools, work)]),
    ])


def _small_chunks(tools):
    split, read, file = "split 4,000 chunks", "read 4,000 chunks", "small"
    rows = SMALL_CHUNKS.rows
    return Block("small chunks", [
        Lane([
            Step(split, OURS, tools.split(file), rows=rows),
            Step(read, OURS, tools.read(), rows=rows),
        ]),
        Lane(_seed(tools, SMALL_CHUNKS, split, read, file, "zstd")),
        Lane([Step(read, DECOMPRESS, [tools.ceiling, "decompress", tools.file(file)])]),
        *_ceilings(tools, SMALL_CHUNKS, split, read, file, settings=SMALL_CEILING_SETTINGS),
    ])


def _memory(tools):
    """A dataset of 1 GB, once: not how fast, but how much memory it takes."""
    rows = GIGABYTE.rows
    generate = tools.generate(tools.file("gigabyte"), GIGABYTE, "uncompressed")
    return Block("memory", [Lane([
        Step("gen 1 GB", OURS, generate, rows=rows),
        Step("split 1 GB", OURS, tools.split("gigabyte"), rows=rows),
        Step("read 1 GB to a file", OURS, tools.read_to_file("gigabyte-back"), rows=rows),
        Step("read 1 GB to a stream", OURS, tools.read_to_stream(), discard_output=True),
    ], 1)])


def _start(tools):
    step = Step("start-up", OURS, [tools.arrowredis, "--version"])
    return Block("start-up", [Lane([step], rounds=1, repeat=STARTS)])

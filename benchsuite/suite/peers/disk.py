"""pyarrow reading the same file from local disk, which is in the page cache: for scale.

    disk FILE mapped|plain
"""

import sys
import time

import pyarrow as pa
import pyarrow.ipc as ipc

from suite.peers.answer import answer


def main():
    match sys.argv[1:]:
        case [path, ("mapped" | "plain") as way]:
            open_file = pa.memory_map if way == "mapped" else pa.OSFile
        case _:
            sys.exit(__doc__)
    start = time.perf_counter()
    with open_file(path) as source:
        table = ipc.open_file(source).read_all()
        seconds = time.perf_counter() - start
        answer(seconds, table.num_rows, source.size())


if __name__ == "__main__":
    main()
